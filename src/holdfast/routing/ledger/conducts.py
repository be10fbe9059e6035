"""Whether providers charged what they quoted, kept in memory between transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from holdfast.routing.ledger.entries import Attempt
from holdfast.routing.ledger.file import QUERIES
from holdfast.routing.prices.audit import Conduct, observe, reset

_FIND, _WRITE = QUERIES["find_conduct"], QUERIES["write_conduct"]


class Conducts:
    """The conduct of each provider. What was read stays true until another process writes."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self._known: dict[str, Conduct] = {}
        self._changed: set[str] = set()

    def forget(self) -> None:
        """Forget everything: others wrote, or the transaction was undone."""
        self._known.clear()
        self._changed.clear()

    def observe(self, attempts: Iterable[Attempt]) -> tuple[str, ...]:
        """Take charges in, and return the providers that are distrusted because of them."""
        fallen: list[str] = []
        for attempt in attempts:
            quoted, charged = attempt.quoted_msat, attempt.charged_msat
            if quoted is None or charged is None:
                continue
            before = self._of(attempt.provider)
            after = observe(before, quoted, charged)
            if after is not before:
                self._set(attempt.provider, after)
            if after.distrust and not before.distrust:
                fallen.append(attempt.provider)
        return tuple(fallen)

    def reset(self, provider: str) -> Conduct:
        """Give a provider another chance, and return its conduct."""
        conduct = reset(self._of(provider))
        self._set(provider, conduct)
        return conduct

    def flush(self) -> None:
        """Write what was changed."""
        for provider in self._changed:
            each = self._known[provider]
            recent = "".join("1" if too_high else "0" for too_high in each.recent)
            self._cursor.execute(_WRITE, (provider, recent, each.distrust))
        self._changed.clear()

    def _of(self, provider: str) -> Conduct:
        conduct = self._known.get(provider)
        if conduct is None:
            row = self._cursor.execute(_FIND, (provider,)).fetchone()
            conduct = self._known[provider] = _conduct(row) if row else Conduct()
        return conduct

    def _set(self, provider: str, conduct: Conduct) -> None:
        self._known[provider] = conduct
        self._changed.add(provider)


def read_conducts(connection: sqlite3.Connection) -> Mapping[str, Conduct]:
    """Return how each provider charged, by its name."""
    return {row[0]: _conduct(row) for row in connection.execute(QUERIES["all_conducts"])}


def _conduct(row: tuple[str, str, str]) -> Conduct:
    _, recent, distrust = row
    return Conduct(recent=tuple(each == "1" for each in recent), distrust=distrust)
