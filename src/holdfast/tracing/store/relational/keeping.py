"""Say how large the store is, and choose what goes when it must shrink."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.tracing.store.relational.database import Connection
from holdfast.tracing.store.relational.filters import where
from holdfast.tracing.store.seam import Query, StoreState

DAY_NS = 86_400_000_000_000
_BESIDE = 1000
"""About how many bytes a trace takes beside its packs: its digest, its words, its calls."""
_EVERY = 2**62
_FREE = "NOT d.pinned AND NOT EXISTS (SELECT 1 FROM open_spans o WHERE o.trace = d.trace)"


def unsettled(connection: Connection, some: int, spans: int) -> list[str]:
    """Return traces that changed since they were settled, the oldest change first.

    `some` at most, and with `spans` spans at most if there is more than one of them.
    """
    rows = connection.execute(
        "SELECT d.trace, (SELECT coalesce(sum(c.count), 0) FROM chunks c WHERE c.trace = d.trace) + "
        "(SELECT coalesce(sum(p.count), 0) FROM packs p WHERE p.trace = d.trace) "
        "FROM dirty d ORDER BY d.number LIMIT ?",
        (some,),
    )
    found: list[str] = []
    for trace, held in rows.fetchall():
        spans -= held
        if found and spans < 0:
            break
        found.append(trace)
    return found


def outdated(connection: Connection, days: float, now_ns: int, some: int) -> list[str]:
    """Return traces that ended more than so many days ago, the oldest first, `some` at most."""
    bound = now_ns - int(days * DAY_NS)
    return _traces(connection, f"{_FREE} AND d.start_ns + d.duration_ns < ?", [bound], some)


def oldest(connection: Connection, excess: int, some: int) -> list[tuple[str, int]]:
    """Return the oldest traces that take `excess` bytes, with what each takes, `some` at most.

    What a trace takes is about what its packs and its parts do, parts that others refer to as well
    among them: so these may be too few traces, and hardly ever too many.
    """
    rows = connection.execute(
        f"SELECT d.trace, {_sum(connection.dialect.packed, 'packs p', 'p')} + "  # noqa: S608 - ours
        f"{_sum('length(t.data)', 'part_uses u JOIN parts t ON t.hash = u.hash', 'u')} "
        f"FROM digests d WHERE {_FREE} ORDER BY d.start_ns LIMIT ?",
        (some,),
    )
    found: list[tuple[str, int]] = []
    for trace, packed in rows.fetchall():
        if excess <= 0:
            break
        found.append((trace, packed + _BESIDE))
        excess -= packed + _BESIDE
    return found


def _sum(size: str, tables: str, of: str) -> str:
    """Return the sum of a size over the rows of a trace."""
    return f"(SELECT CAST(coalesce(sum({size}), 0) AS bigint) FROM {tables} WHERE {of}.trace = d.trace)"  # noqa: S608


def meant(connection: Connection, query: Query, some: int = _EVERY) -> list[str]:
    """Return traces that a query means, `some` at most."""
    condition, values = where(query, connection.dialect)
    return _traces(connection, condition, values, some)


def _traces(
    connection: Connection, condition: str, values: Sequence[object], some: int
) -> list[str]:
    rows = connection.execute(
        f"SELECT d.trace FROM digests d WHERE {condition} ORDER BY d.start_ns LIMIT ?",  # noqa: S608
        [*values, some],
    )
    return [trace for (trace,) in rows]


def drop_old_payloads(connection: Connection, days: float, now_ns: int) -> None:
    """Let traces that ended more than so many days ago refer to no parts any more."""
    bound = now_ns - int(days * DAY_NS)
    connection.execute(
        "DELETE FROM part_uses WHERE trace IN (SELECT d.trace FROM digests d "  # noqa: S608 - ours
        f"WHERE {_FREE} AND d.start_ns + d.duration_ns < ?)",
        (bound,),
    )


def drop_parts(connection: Connection, before_ns: int) -> int:
    """Remove parts that nothing refers to, and that were not given lately; return how many.

    A part comes before its span: one that was given a moment ago may be about to be referred to.
    """
    gone = connection.execute(
        "DELETE FROM parts WHERE at_ns < ? AND NOT EXISTS "
        "(SELECT 1 FROM part_uses u WHERE u.hash = parts.hash) RETURNING 1",
        (before_ns,),
    )
    return len(gone.fetchall())


def state_of(connection: Connection, size: int) -> StoreState:
    """Return what is in a store of so many bytes, and what was lost."""

    def one(sql: str) -> int:
        return connection.execute(sql).fetchone()[0]

    losses = dict(connection.execute("SELECT why, count FROM losses ORDER BY count DESC"))
    return StoreState(
        traces=one("SELECT count(*) FROM digests"),
        spans=one("SELECT CAST(coalesce(sum(count), 0) AS bigint) FROM packs"),
        open_spans=one("SELECT count(*) FROM open_spans"),
        bytes=size,
        payload_bytes=one("SELECT CAST(coalesce(sum(length(data)), 0) AS bigint) FROM parts"),
        pinned=one("SELECT count(*) FROM digests WHERE pinned"),
        lost=sum(losses.values()),
        losses=losses,
    )
