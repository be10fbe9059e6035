"""Keep records and logs in memory: the oracle that every other backend is compared with."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, assert_never

from holdfast.clock import Clock
from holdfast.errors import StorageUnavailable
from holdfast.frozen import frozen, replace
from holdfast.storage.keys import decode_key, encode_key, encode_prefix, successor
from holdfast.storage.limits import MAX_VALUE_BYTES, check_batch, check_operation
from holdfast.storage.seam import (
    ANY,
    Append,
    Changes,
    Conflict,
    Delete,
    Entry,
    Key,
    Operation,
    Put,
    Record,
)
from holdfast.storage.watchers import Watchers


@frozen(kw_only=False)
class _Cell:
    value: bytes
    version: int
    expires_at: int | None
    due_at: int | None


class MemoryStore:
    """A store whose records live as long as this object.

    Closing it only refuses further verbs; entering it again shows the same records.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._open = False
        self._version = 0
        self._cells: dict[bytes, _Cell] = {}
        self._order: list[bytes] = []
        self._queues: dict[bytes, list[tuple[int, bytes]]] = {}
        self._logs: dict[bytes, list[bytes]] = {}
        self._log_order: list[bytes] = []
        self._erased: dict[bytes, int] = {}
        self._watchers = Watchers("memory://")

    is_at_once = True
    """Its verbs wait for nothing: see `holdfast.storage.at_once`."""

    @property
    def max_value_bytes(self) -> int:
        return MAX_VALUE_BYTES

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        self._watchers.close()

    async def get(self, key: Key) -> Record | None:
        self._require_open()
        return self._record(encode_key(key))

    async def put(
        self,
        key: Key,
        value: bytes,
        *,
        expected: int,
        expires_at: int | None = None,
        due_at: int | None = None,
    ) -> int | Conflict:
        operation = Put(
            key=key, value=value, expected=expected, expires_at=expires_at, due_at=due_at
        )
        return self._write(operation) or self._version

    async def delete(self, key: Key, *, expected: int) -> Conflict | None:
        return self._write(Delete(key=key, expected=expected))

    async def scan(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Record]:
        self._require_open()
        found: list[Record] = []
        for encoded in _below(self._order, prefix, after):
            if len(found) >= limit:
                break
            if record := self._record(encoded):
                found.append(record)
        return found

    async def append(
        self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
    ) -> int | Conflict:
        conflict = self._write(Append(log=log, entries=entries, expected=expected))
        return conflict or self._last(encode_key(log))

    async def read(self, log: Key, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        self._require_open()
        name = encode_key(log)
        values, erased = self._logs.get(name, []), self._erased.get(name, 0)
        first = max(after - erased, 0)
        last = len(values) if limit is None else first + max(limit, 0)
        numbered = enumerate(values[first:last], erased + first + 1)
        return [Entry(number, value) for number, value in numbered]

    async def batch(self, operations: Sequence[Operation]) -> Conflict | None:
        self._require_open()
        check_batch(operations)
        for operation in operations:
            check_operation(operation)
        for index, operation in enumerate(operations):
            if (current := self._refusal(operation)) is not None:
                return Conflict(current, index)
        for operation in operations:
            self._apply(operation)
        return None

    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        self._require_open()
        name = encode_key(log)
        last = self._last(name)
        if expected not in (ANY, last):
            return Conflict(last)
        if last:
            self._erased[name] = last
            del self._logs[name]
            _remove(self._log_order, name)
            self._watchers.tell([name])
        return None

    async def claim(self, queue: Key, *, until: int) -> Record | None:
        self._require_open()
        now = self._clock.now_ms()
        waiting = self._queues.get(encode_prefix(queue), [])
        while waiting and waiting[0][0] <= now:
            encoded = waiting[0][1]
            if self._live(encoded):
                return self._lease(encoded, until)
            self._drop(encoded)
        return None

    @asynccontextmanager
    async def watch(self, prefix: Key) -> AsyncGenerator[Changes]:
        self._require_open()
        with self._watchers.watching(prefix) as watcher:
            yield watcher

    async def logs(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Key]:
        self._require_open()
        names = _below(self._log_order, prefix, after)
        return [decode_key(name) for name, _ in zip(names, range(limit), strict=False)]

    def _write(self, operation: Operation) -> Conflict | None:
        self._require_open()
        check_operation(operation)
        if (current := self._refusal(operation)) is not None:
            return Conflict(current)
        self._apply(operation)
        return None

    def _refusal(self, operation: Operation) -> int | None:
        """Return what is there if that is not what the operation expects."""
        if isinstance(operation, Append):
            current = self._last(encode_key(operation.log))
        else:
            cell = self._live(encode_key(operation.key))
            current = cell.version if cell else 0
        return None if operation.expected in (ANY, current) else current

    def _apply(self, operation: Operation) -> None:
        match operation:
            case Put(key=key, value=value, expires_at=expires_at, due_at=due_at):
                self._version += 1
                cell = _Cell(bytes(value), self._version, expires_at, due_at)
                self._set(encode_key(key), cell)
            case Delete(key=key):
                self._drop(encode_key(key))
            case Append(log=log, entries=entries):
                self._extend(encode_key(log), entries)
            case _:
                assert_never(operation)

    def _lease(self, encoded: bytes, until: int) -> Record | None:
        self._version += 1
        cell = replace(self._cells[encoded], version=self._version, due_at=until)
        self._set(encoded, cell)
        return self._record(encoded)

    def _set(self, encoded: bytes, cell: _Cell) -> None:
        old = self._cells.get(encoded)
        if old is None:
            insort(self._order, encoded)
        else:
            self._leave_queue(encoded, old)
        self._cells[encoded] = cell
        if cell.due_at is not None:
            insort(self._queues.setdefault(_queue(encoded), []), (cell.due_at, encoded))
        self._watchers.tell([encoded])

    def _drop(self, encoded: bytes) -> None:
        if old := self._cells.pop(encoded, None):
            _remove(self._order, encoded)
            self._leave_queue(encoded, old)
            self._watchers.tell([encoded])

    def _leave_queue(self, encoded: bytes, cell: _Cell) -> None:
        if cell.due_at is not None:
            _remove(self._queues[_queue(encoded)], (cell.due_at, encoded))

    def _extend(self, name: bytes, entries: Sequence[bytes]) -> None:
        if not entries:
            return
        if name not in self._logs:
            self._logs[name] = []
            insort(self._log_order, name)
        self._logs[name].extend(map(bytes, entries))
        self._watchers.tell([name])

    def _last(self, name: bytes) -> int:
        """Return the number of the last entry of a log, 0 if it has none."""
        values = self._logs.get(name)
        return self._erased.get(name, 0) + len(values) if values else 0

    def _record(self, encoded: bytes) -> Record | None:
        cell = self._live(encoded)
        if cell is None:
            return None
        key = decode_key(encoded)
        return Record(key, cell.value, cell.version, cell.expires_at, cell.due_at)

    def _live(self, encoded: bytes) -> _Cell | None:
        cell = self._cells.get(encoded)
        if cell is None or cell.expires_at is None or self._clock.now_ms() < cell.expires_at:
            return cell
        return None

    def _require_open(self) -> None:
        if not self._open:
            raise StorageUnavailable(
                "the store in memory is not open", hint="use it inside `async with`"
            )


def _below(order: list[bytes], prefix: Key, after: Key | None) -> Iterator[bytes]:
    """Return the encoded keys below `prefix` and behind `after`."""
    low, high = encode_prefix(prefix), successor(encode_prefix(prefix))
    start = bisect_left(order, low)
    if after is not None:
        start = max(start, bisect_right(order, encode_key(after)))
    end = len(order) if high is None else bisect_left(order, high)
    return (order[place] for place in range(start, end))  # a copy would cost what lies behind


def _queue(encoded: bytes) -> bytes:
    """Return the encoded key without its last part."""
    return encoded[: encoded.rfind(b"\x00", 0, -1) + 1]


def _remove(ordered: list[Any], item: object) -> None:
    del ordered[bisect_left(ordered, item)]
