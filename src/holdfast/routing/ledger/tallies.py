"""What each scope has spent and holds, kept in memory between transactions of this process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from operator import attrgetter

from holdfast.routing.ledger.entries import Scope, Spent
from holdfast.routing.ledger.file import QUERIES

_FIND, _MAKE, _WRITE = (QUERIES[name] for name in ("find_tally", "make_tally", "write_tally"))
_MOST_KEPT = 10_000
_row = attrgetter(
    "settled", "reserved", "in_doubt", "unknown", "requests", "unknowns", "number"
)  # fmt: skip


class Tally:
    """The sums of one scope."""

    __slots__ = ("in_doubt", "number", "requests", "reserved", "settled", "unknown", "unknowns")

    def __init__(self, row: tuple[int, ...]) -> None:
        self.number, self.settled, self.reserved, self.in_doubt, self.unknown = row[:5]
        self.requests, self.unknowns = row[5:]

    @property
    def held(self) -> int:
        """All that a cap counts."""
        return self.settled + self.reserved + self.in_doubt + self.unknown


class Tallies:
    """The sums of all scopes. What was read stays true until another process writes."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self._known: dict[Scope, Tally] = {}
        self._changed: set[Tally] = set()

    def forget(self) -> None:
        """Forget everything: others wrote, or the transaction was undone."""
        self._known.clear()
        self._changed.clear()

    def of(self, scope: Scope) -> Tally:
        """Return the sums of a scope, which need not be in the file yet."""
        tally = self._known.get(scope)
        if tally is None:
            row = self._cursor.execute(_FIND, scope).fetchone()
            tally = self._known[scope] = Tally(row or (0,) * 7)
        return tally

    def change(self, scopes: Iterable[Scope]) -> list[Tally]:
        """Return the sums of scopes, to be added to; `flush` writes them."""
        tallies: list[Tally] = []
        for scope in scopes:
            tally = self._known.get(scope) or self.of(scope)
            if not tally.number:
                made = self._cursor.execute(_MAKE, scope)
                assert made.lastrowid
                tally.number = made.lastrowid
            tallies.append(tally)
        self._changed.update(tallies)
        return tallies

    def flush(self) -> None:
        """Write what was changed."""
        self._cursor.executemany(_WRITE, map(_row, self._changed))
        self._changed.clear()
        if len(self._known) > _MOST_KEPT:
            self._known.clear()


def read_spent(connection: sqlite3.Connection, scope: Scope) -> Spent:
    """Return the sums of a scope from the file."""
    tally = Tally(connection.execute(_FIND, scope).fetchone() or (0,) * 7)
    return Spent(
        settled_msat=tally.settled,
        reserved_msat=tally.reserved,
        in_doubt_msat=tally.in_doubt,
        unknown_msat=tally.unknown,
        requests=tally.requests,
        unknown_requests=tally.unknowns,
    )
