"""Read and write what belongs to many traces in few statements: a server is asked over a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from holdfast.frozen import field, frozen, slotted
from holdfast.tracing.store.packing import Pack
from holdfast.tracing.store.relational.database import Connection

MOST_VALUES = 512
"""Of one statement."""


@frozen
class Held:
    """What is there of one trace; `opened` are rows of span, parent, name, kind and start.

    `release` is that of its digest, None if it has none.
    """

    packs: list[Pack] = field(default_factory=list[Pack])
    fresh: list[bytes] = field(default_factory=list[bytes])
    opened: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    uses: set[bytes] = field(default_factory=set[bytes])
    releases: list[str] = field(default_factory=list[str])

    @property
    def release(self) -> str | None:
        """The release that the trace was counted with."""
        return self.releases[0] if self.releases else None


def held_of(connection: Connection, traces: Sequence[str]) -> dict[str, Held]:
    """Return what is there of some traces."""
    found = {trace: Held() for trace in traces}
    for trace, *row in _of(connection, _PACKS, traces):
        found[trace].packs.append(Pack(*row))
    for trace, data in _of(connection, _CHUNKS, traces):
        found[trace].fresh.append(data)
    for trace, *row in _of(connection, _OPENED, traces):
        found[trace].opened.append(tuple(row))
    for trace, hash_ in _of(connection, _USES, traces):
        found[trace].uses.add(hash_)
    for trace, release in _of(connection, _RELEASES, traces):
        found[trace].releases.append(release)
    return found


_PACKS = "SELECT trace, count, columns, bodies FROM packs WHERE trace IN (…) ORDER BY trace, part"
_CHUNKS = "SELECT trace, data FROM chunks WHERE trace IN (…) ORDER BY number"
_OPENED = "SELECT trace, span, parent, name, kind, start_ns FROM open_spans WHERE trace IN (…)"
_USES = "SELECT trace, hash FROM part_uses WHERE trace IN (…)"
_RELEASES = "SELECT trace, release FROM digests WHERE trace IN (…)"


def _of(connection: Connection, sql: str, traces: Sequence[str]) -> Iterator[Any]:
    for some in in_parts(traces):
        yield from connection.execute(sql.replace("…", ", ".join("?" * len(some))), some)


def in_parts(values: Sequence[Any], most: int = MOST_VALUES) -> Iterator[list[Any]]:
    """Yield values some at a time, the last one again and again up to a power of two.

    So there are few statements, however many values there are, and each is prepared once.
    """
    for start in range(0, len(values), most):
        some = list(values[start : start + most])
        yield some + some[-1:] * ((1 << (len(some) - 1).bit_length()) - len(some))


@slotted
class Later:
    """Statements that wait until there are many of a kind: first what removes, then what writes.

    Within each, kinds follow one another in the order in which they were first given.
    """

    removals: dict[str, list[Sequence[object]]] = field(
        default_factory=dict[str, list[Sequence[object]]]
    )
    writes: dict[str, list[Sequence[object]]] = field(
        default_factory=dict[str, list[Sequence[object]]]
    )

    def remove(self, sql: str, *rows: Sequence[object]) -> None:
        """Run a statement that removes, once a row."""
        self.removals.setdefault(sql, []).extend(rows)

    def write(self, sql: str, *rows: Sequence[object]) -> None:
        """Run a statement that writes, once a row."""
        self.writes.setdefault(sql, []).extend(rows)

    def run(self, connection: Connection) -> None:
        """Run all of them."""
        for statements in (self.removals, self.writes):
            for sql, rows in statements.items():
                connection.executemany(sql, rows)
            statements.clear()
