"""Keep the sketches right while traces change: what is packed is counted, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from holdfast.frozen import field as made
from holdfast.frozen import slotted
from holdfast.tracing.span import Span
from holdfast.tracing.store.relational.batches import Later, in_parts
from holdfast.tracing.store.relational.database import Connection, upsert
from holdfast.tracing.store.sketch import Sketch, bucket_of

HOUR_NS = 3_600_000_000_000
_Key = tuple[int, int, str]
_KEY = ("name", "hour", "release")
_KEYS_AT_ONCE = 128
_MARKS = "(CAST(? AS bigint), CAST(? AS bigint), ?)"
_READ = (
    "SELECT name, hour, release, count, errors, total_ns, buckets FROM sketches "
    "WHERE (name, hour, release) IN (VALUES …)"
)
_REMOVE = "DELETE FROM sketches WHERE name = ? AND hour = ? AND release = ?"
_NOTHING = (0, 0, 0, b"")
_WRITE = upsert("sketches", _KEY, (*_KEY, "count", "errors", "total_ns", "buckets"))


@slotted
class _Change:
    count: int = 0
    errors: int = 0
    total_ns: int = 0
    buckets: dict[int, int] = made(default_factory=dict[int, int])


class Counts:
    """What changes in the sketches, until it is written."""

    def __init__(self, number_of: Callable[[str], int]) -> None:
        self._number_of = number_of
        self._changes: dict[_Key, _Change] = {}

    def add(self, spans: Iterable[Span], release: str, sign: int = 1) -> None:
        """Count spans of a trace of this release; with a `sign` of -1 take them out again."""
        changes, number_of = self._changes, self._number_of
        for span in spans:
            key = (number_of(span.name), span.start_ns // HOUR_NS, release)
            change = changes.get(key)
            if change is None:
                change = changes[key] = _Change()
            duration = span.duration_ns
            change.count += sign
            change.total_ns += sign * duration
            if span.status == "error":
                change.errors += sign
            bucket = bucket_of(duration)
            change.buckets[bucket] = change.buckets.get(bucket, 0) + sign

    def write(self, connection: Connection, later: Later) -> None:
        """Have the changes written within the transaction of the caller."""
        held: dict[_Key, Sequence[Any]] = {}
        for keys in in_parts(list(self._changes), _KEYS_AT_ONCE):
            sql = _READ.replace("…", ", ".join([_MARKS] * len(keys)))
            rows = connection.execute(sql, [value for key in keys for value in key])
            held.update(((name, hour, release), rest) for name, hour, release, *rest in rows)
        for key, change in self._changes.items():
            _write_one(later, key, change, held.get(key, _NOTHING))
        self._changes.clear()


def _write_one(later: Later, key: _Key, change: _Change, held: Sequence[Any]) -> None:
    count, errors, total, buckets = held
    if count + change.count <= 0:
        later.remove(_REMOVE, key)
        return
    merged = Sketch(change.buckets).merge([Sketch.load(buckets)])
    later.write(
        _WRITE,
        (
            *key, count + change.count, errors + change.errors, total + change.total_ns,
            merged.dump(),
        ),
    )  # fmt: skip
