"""Keep records and logs in memory: the oracle that every other backend is compared with."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, assert_never

from holdfast.clock import Clock
from holdfast.errors import StorageUnavailable
from holdfast.storage.keys import decode_key, encode_key, encode_prefix, successor
from holdfast.storage.limits import check_batch, check_value
from holdfast.storage.seam import (
    ANY,
    Append,
    Conflict,
    Delete,
    Entry,
    Key,
    Operation,
    Put,
    Record,
)


@dataclass(frozen=True, slots=True)
class _Cell:
    value: bytes
    version: int
    expires_at: int | None


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
        self._logs: dict[bytes, list[bytes]] = {}

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

    async def get(self, key: Key) -> Record | None:
        self._require_open()
        cell = self._live(encode_key(key))
        return cell and Record(key, cell.value, cell.version)

    async def put(
        self, key: Key, value: bytes, *, expected: int, expires_at: int | None = None
    ) -> int | Conflict:
        operation = Put(key=key, value=value, expected=expected, expires_at=expires_at)
        return self._write(operation) or self._version

    async def delete(self, key: Key, *, expected: int) -> Conflict | None:
        return self._write(Delete(key=key, expected=expected))

    async def scan(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Record]:
        self._require_open()
        low, high = encode_prefix(prefix), successor(encode_prefix(prefix))
        start = bisect_left(self._order, low)
        if after is not None:
            start = max(start, bisect_right(self._order, encode_key(after)))
        end = len(self._order) if high is None else bisect_left(self._order, high)
        found: list[Record] = []
        for encoded in self._order[start:end]:
            if len(found) >= limit:
                break
            if cell := self._live(encoded):
                found.append(Record(decode_key(encoded), cell.value, cell.version))
        return found

    async def append(
        self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
    ) -> int | Conflict:
        conflict = self._write(Append(log=log, entries=entries, expected=expected))
        return conflict or len(self._logs.get(encode_key(log), ()))

    async def read(self, log: Key, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        self._require_open()
        values = self._logs.get(encode_key(log), [])
        first = max(after, 0)
        last = len(values) if limit is None else first + max(limit, 0)
        return [Entry(number, value) for number, value in enumerate(values[first:last], first + 1)]

    async def batch(self, operations: Sequence[Operation]) -> Conflict | None:
        self._require_open()
        check_batch(operations)
        for operation in operations:
            self._check_sizes(operation)
        for index, operation in enumerate(operations):
            if (current := self._refusal(operation)) is not None:
                return Conflict(current, index)
        for operation in operations:
            self._apply(operation)
        return None

    def _write(self, operation: Operation) -> Conflict | None:
        self._require_open()
        self._check_sizes(operation)
        if (current := self._refusal(operation)) is not None:
            return Conflict(current)
        self._apply(operation)
        return None

    def _refusal(self, operation: Operation) -> int | None:
        """Return what is there if that is not what the operation expects."""
        if isinstance(operation, Append):
            current = len(self._logs.get(encode_key(operation.log), ()))
        else:
            cell = self._live(encode_key(operation.key))
            current = cell.version if cell else 0
        return None if operation.expected in (ANY, current) else current

    def _apply(self, operation: Operation) -> None:
        match operation:
            case Put(key=key, value=value, expires_at=expires_at):
                self._version += 1
                self._set(encode_key(key), _Cell(bytes(value), self._version, expires_at))
            case Delete(key=key):
                self._drop(encode_key(key))
            case Append(log=log, entries=entries):
                if entries:
                    self._logs.setdefault(encode_key(log), []).extend(map(bytes, entries))
            case _:
                assert_never(operation)

    def _set(self, encoded: bytes, cell: _Cell) -> None:
        if encoded not in self._cells:
            insort(self._order, encoded)
        self._cells[encoded] = cell

    def _drop(self, encoded: bytes) -> None:
        if self._cells.pop(encoded, None):
            del self._order[bisect_left(self._order, encoded)]

    def _live(self, encoded: bytes) -> _Cell | None:
        cell = self._cells.get(encoded)
        if cell is None or cell.expires_at is None or self._clock.now_ms() < cell.expires_at:
            return cell
        return None

    def _check_sizes(self, operation: Operation) -> None:
        match operation:
            case Put(value=value):
                check_value(value)
            case Append(entries=entries):
                for value in entries:
                    check_value(value)
            case Delete():
                pass
            case _:
                assert_never(operation)

    def _require_open(self) -> None:
        if not self._open:
            raise StorageUnavailable(
                "the store in memory is not open", hint="use it inside `async with`"
            )
