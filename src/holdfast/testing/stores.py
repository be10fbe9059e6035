"""Stores that crash, fail or can do less, wrapped around a real one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeVar

from holdfast.storage.seam import (
    ANY,
    Batching,
    Conflict,
    Entry,
    Key,
    Operation,
    Record,
    Store,
)

T = TypeVar("T")

WRITE_VERBS = ("put", "delete", "append", "batch")


class Crashed(Exception):
    """The process is dead as far as this store can tell.

    Deliberately not a `HoldfastError`: code that handles a failing store must not handle this.
    """


class _Batch(Protocol):
    def __call__(self, operations: Sequence[Operation]) -> Awaitable[Conflict | None]: ...


class UnbatchedStore:
    """The six verbs of `inner` without its further abilities.

    It is also the base of the other wrappers: all verbs go through `_call`.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    async def __aenter__(self) -> Self:
        await self.inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.inner.__aexit__(kind, error, trace)

    async def get(self, key: Key) -> Record | None:
        return await self._call("get", lambda: self.inner.get(key))

    async def put(
        self, key: Key, value: bytes, *, expected: int, expires_at: int | None = None
    ) -> int | Conflict:
        return await self._call(
            "put", lambda: self.inner.put(key, value, expected=expected, expires_at=expires_at)
        )

    async def delete(self, key: Key, *, expected: int) -> Conflict | None:
        return await self._call("delete", lambda: self.inner.delete(key, expected=expected))

    async def scan(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Record]:
        return await self._call("scan", lambda: self.inner.scan(prefix, after=after, limit=limit))

    async def append(
        self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
    ) -> int | Conflict:
        return await self._call(
            "append", lambda: self.inner.append(log, entries, expected=expected)
        )

    async def read(self, log: Key, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        return await self._call("read", lambda: self.inner.read(log, after=after, limit=limit))

    async def _call(self, verb: str, action: Callable[[], Awaitable[T]]) -> T:  # noqa: ARG002
        return await action()


class _Wrapper(UnbatchedStore):
    """A wrapper that can batch if and only if `inner` can."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        if isinstance(inner, Batching):
            # An attribute of the instance: `isinstance(store, Batching)` looks for it.
            self.batch: _Batch = self._batch_of(inner)

    def _batch_of(self, inner: Batching) -> _Batch:
        async def batch(operations: Sequence[Operation]) -> Conflict | None:
            return await self._call("batch", lambda: inner.batch(operations))

        return batch


class CrashingStore(_Wrapper):
    """Perform `after` writes, then die at the next one; every verb from then on raises `Crashed`.

    The write that kills is not applied; with `torn=True` it is applied and only its
    acknowledgement is lost. A batch is one write. `after=None` never dies, and `writes` then
    tells how many kill points a program has::

        async with CrashingStore(MemoryStore(clock=clock)) as store:
            await program(store)
        for after in range(store.writes):
            ...  # CrashingStore(inner, after=after), then resume on `inner`
    """

    def __init__(self, inner: Store, *, after: int | None = None, torn: bool = False) -> None:
        super().__init__(inner)
        self.writes = 0
        self.crashed = False
        self._after = after
        self._torn = torn

    async def _call(self, verb: str, action: Callable[[], Awaitable[T]]) -> T:
        self._require_alive(verb)
        if verb in WRITE_VERBS:
            if self.writes == self._after:
                await self._die(verb, action)
            self.writes += 1
        result = await action()
        # Another task may have died meanwhile; then this one is dead as well.
        self._require_alive(verb)
        return result

    async def _die(self, verb: str, action: Callable[[], Awaitable[object]]) -> None:
        self.crashed = True
        if self._torn:
            await action()
        self._require_alive(verb)

    def _require_alive(self, verb: str) -> None:
        if self.crashed:
            raise Crashed(f"the store died after {self.writes} writes; this is a {verb!r}")


class FaultyStore(_Wrapper):
    """Raise chosen errors instead of performing chosen verbs.

    `faults` maps a verb and the number of its call, counted from 1, to an error::

        FaultyStore(inner, {("put", 2): StorageFull("no space is left")})
    """

    def __init__(self, inner: Store, faults: Mapping[tuple[str, int], Exception]) -> None:
        super().__init__(inner)
        self.calls: Counter[str] = Counter()
        self._faults = dict(faults)

    async def _call(self, verb: str, action: Callable[[], Awaitable[T]]) -> T:
        self.calls[verb] += 1
        fault = self._faults.get((verb, self.calls[verb]))
        if fault:
            raise fault
        return await action()
