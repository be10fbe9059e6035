"""Record what callers of a store saw, to judge it with `holdfast.testing.linearizability`.

For example::

    recorder = Recorder()
    await asyncio.gather(*(work(RecordingStore(handle, recorder)) for handle in handles))
    assert recorder.faults() == []
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import TypeVar, assert_never

from holdfast.storage.seam import (
    ANY,
    Append,
    Batching,
    Claiming,
    Conflict,
    Delete,
    Entry,
    Key,
    Operation,
    Put,
    Record,
    Store,
)
from holdfast.testing.linearizability import (
    PENDING,
    Action,
    Call,
    Extend,
    Lease,
    Log,
    Read,
    ReadLog,
    Register,
    Remove,
    Write,
    find_order,
)
from holdfast.testing.stores import ForwardingStore

T = TypeVar("T")

Place = tuple[str, Key]
"""`"record"` or `"log"`, and the key."""


class Recorder:
    """The history of one or several handles of the same data, within one event loop.

    Times of records are not part of it: record what does not expire. A scan is not recorded.
    """

    def __init__(self) -> None:
        self.calls: dict[Place, list[Call]] = defaultdict(list)
        self._lost_claims: list[tuple[int, Key]] = []
        self._moments = count()

    def begin(self) -> int:
        """Return the moment at which a call begins."""
        return next(self._moments)

    def end(self, start: int, place: Place, action: Action, answer: object) -> None:
        """Note a call that ends now; `PENDING` if nobody knows whether it happened."""
        self.calls[place].append(Call(start, next(self._moments), action, answer))

    def lose_claim(self, start: int, queue: Key) -> None:
        """Note a claim that did not come back; nobody knows which record it took, if any."""
        self._lost_claims.append((start, queue))

    def faults(self) -> list[str]:
        """Return a sentence for each key whose calls no order explains."""
        return [
            f"no order explains these calls of the {kind} {key!r}:\n"
            + "\n".join(f"  {call}" for call in sorted(calls, key=lambda call: call.start))
            for (kind, key), calls in self.calls.items()
            if not self._is_explained(kind, key, calls)
        ]

    def _is_explained(self, kind: str, key: Key, calls: Sequence[Call]) -> bool:
        if kind == "log":
            return find_order(calls, Log()) is not None
        lost = [
            Call(start, start, Lease(), PENDING)
            for start, queue in self._lost_claims
            if key[:-1] == queue
        ]
        return find_order([*calls, *lost], Register()) is not None


class RecordingStore(ForwardingStore):
    """Forward to `inner` and note each call and its answer in `recorder`."""

    def __init__(self, inner: Store, recorder: Recorder) -> None:
        self._recorder = recorder
        super().__init__(inner)

    async def get(self, key: Key) -> Record | None:
        return await self._note(("record", key), Read(), lambda: self.inner.get(key), _seen)

    async def put(
        self,
        key: Key,
        value: bytes,
        *,
        expected: int,
        expires_at: int | None = None,
        due_at: int | None = None,
    ) -> int | Conflict:
        return await self._note(
            ("record", key),
            Write(value, expected),
            lambda: self.inner.put(
                key, value, expected=expected, expires_at=expires_at, due_at=due_at
            ),
        )

    async def delete(self, key: Key, *, expected: int) -> Conflict | None:
        return await self._note(
            ("record", key), Remove(expected), lambda: self.inner.delete(key, expected=expected)
        )

    async def append(
        self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
    ) -> int | Conflict:
        return await self._note(
            ("log", log),
            Extend(tuple(entries), expected),
            lambda: self.inner.append(log, entries, expected=expected),
        )

    async def read(self, log: Key, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        return await self._note(
            ("log", log),
            ReadLog(after, limit),
            lambda: self.inner.read(log, after=after, limit=limit),
            _values,
        )

    async def _note(
        self,
        place: Place,
        action: Action,
        call: Callable[[], Awaitable[T]],
        answer_of: Callable[[T], object] = lambda result: result,
    ) -> T:
        start, answer = self._recorder.begin(), PENDING
        try:
            result = await call()
            answer = answer_of(result)
        finally:
            self._recorder.end(start, place, action, answer)
        return result

    def _claim_of(self, inner: Claiming) -> Callable[..., Awaitable[Record | None]]:
        async def claim(queue: Key, *, until: int) -> Record | None:
            start = self._recorder.begin()
            try:
                record = await inner.claim(queue, until=until)
            except BaseException:
                self._recorder.lose_claim(start, queue)
                raise
            if record:
                self._recorder.end(start, ("record", record.key), Lease(), _seen(record))
            return record

        return claim

    def _batch_of(self, inner: Batching) -> Callable[..., Awaitable[Conflict | None]]:
        async def batch(operations: Sequence[Operation]) -> Conflict | None:
            start = self._recorder.begin()
            try:
                conflict = await inner.batch(operations)
            except BaseException:
                for operation in operations:
                    self._recorder.end(start, *_part(operation), PENDING)
                raise
            # A batch that was refused says something about one operation and did nothing.
            for operation in operations if conflict is None else [operations[conflict.index]]:
                self._recorder.end(start, *_part(operation), _part_answer(operation, conflict))
            return conflict

        return batch


def _seen(record: Record | None) -> tuple[bytes, int] | None:
    return (record.value, record.version) if record else None


def _values(entries: Sequence[Entry]) -> tuple[bytes, ...]:
    return tuple(entry.value for entry in entries)


def _part(operation: Operation) -> tuple[Place, Action]:
    match operation:
        case Put(key=key, value=value, expected=expected):
            return ("record", key), Write(value, expected)
        case Delete(key=key, expected=expected):
            return ("record", key), Remove(expected)
        case Append(log=log, entries=entries, expected=expected):
            return ("log", log), Extend(tuple(entries), expected)
        case _:
            assert_never(operation)


def _part_answer(operation: Operation, conflict: Conflict | None) -> object:
    if conflict:
        return Conflict(conflict.current)
    # A batch does not tell the new versions and numbers.
    return None if isinstance(operation, Delete) else True
