"""Say how large the store is, and choose what goes when it must shrink."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from holdfast.tracing.store.seam import Query, Retention, StoreState
from holdfast.tracing.store.sqlite.filters import where

DAY_NS = 86_400_000_000_000
_FREE = "d.pinned = 0 AND NOT EXISTS (SELECT 1 FROM open_spans o WHERE o.trace = d.trace)"


def outdated(
    connection: sqlite3.Connection, retention: Retention, now_ns: int, some: int
) -> list[str]:
    """Return traces that are older or more than is to be kept, the oldest first, `some` at most."""
    found: list[str] = []
    if retention.days is not None:
        bound = now_ns - int(retention.days * DAY_NS)
        found += _traces(connection, f"{_FREE} AND d.start_ns + d.duration_ns < ?", [bound], some)
    if not found and retention.bytes is not None and used(connection) > retention.bytes:
        found += _traces(connection, _FREE, [], max(1, some // 10))
    return found


def meant(connection: sqlite3.Connection, query: Query, some: int) -> list[str]:
    """Return traces that a query means, `some` at most."""
    condition, values = where(query)
    return _traces(connection, condition, values, some)


def _traces(
    connection: sqlite3.Connection, condition: str, values: Sequence[object], some: int
) -> list[str]:
    rows = connection.execute(
        f"SELECT d.trace FROM digests d WHERE {condition} ORDER BY d.start_ns LIMIT ?",  # noqa: S608
        [*values, some],
    )
    return [trace for (trace,) in rows]


def drop_old_payloads(connection: sqlite3.Connection, retention: Retention, now_ns: int) -> None:
    """Let traces that are too old refer to no parts any more."""
    if retention.payload_days is None:
        return
    bound = now_ns - int(retention.payload_days * DAY_NS)
    connection.execute(
        "DELETE FROM part_uses WHERE trace IN (SELECT d.trace FROM digests d "  # noqa: S608 - ours
        f"WHERE {_FREE} AND d.start_ns + d.duration_ns < ?)",
        (bound,),
    )


def drop_parts(connection: sqlite3.Connection, before_ns: int) -> tuple[int, int]:
    """Remove parts that nothing refers to, and that were not given lately; return count and bytes.

    A part comes before its span: one that was given a moment ago may be about to be referred to.
    """
    condition = "at_ns < ? AND NOT EXISTS (SELECT 1 FROM part_uses u WHERE u.hash = parts.hash)"
    count, size = connection.execute(
        f"SELECT count(*), coalesce(sum(length(data)), 0) FROM parts WHERE {condition}",  # noqa: S608
        (before_ns,),
    ).fetchone()
    connection.execute(f"DELETE FROM parts WHERE {condition}", (before_ns,))  # noqa: S608 - ours
    return count, size


def used(connection: sqlite3.Connection) -> int:
    """Return how many bytes of the file are in use."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def state_of(connection: sqlite3.Connection) -> StoreState:
    """Return how large the store is and what was lost."""

    def one(sql: str) -> int:
        return connection.execute(sql).fetchone()[0]

    losses = dict(connection.execute("SELECT why, count FROM losses ORDER BY count DESC"))
    pages, size = one("PRAGMA page_count"), one("PRAGMA page_size")
    return StoreState(
        traces=one("SELECT count(*) FROM digests"),
        spans=one("SELECT coalesce(sum(count), 0) FROM packs"),
        open_spans=one("SELECT count(*) FROM open_spans"),
        bytes=pages * size,
        payload_bytes=one("SELECT coalesce(sum(length(data)), 0) FROM parts"),
        pinned=one("SELECT count(*) FROM digests WHERE pinned"),
        lost=sum(losses.values()),
        losses=losses,
    )
