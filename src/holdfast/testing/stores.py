"""Stores that crash, fail or can do less, wrapped around a real one."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Protocol, Self, TypeVar

from holdfast.storage.seam import (
    ANY,
    Batching,
    Changes,
    Claiming,
    Conflict,
    Entry,
    Erasing,
    Key,
    Listing,
    Operation,
    Record,
    Store,
    Watching,
)

T = TypeVar("T")

WRITE_VERBS = ("put", "delete", "append", "batch", "claim", "erase")


class Crashed(Exception):
    """The process is dead as far as this store can tell.

    Deliberately not a `HoldfastError`: code that handles a failing store must not handle this.
    """


class _Batch(Protocol):
    def __call__(self, operations: Sequence[Operation]) -> Awaitable[Conflict | None]: ...


class _Claim(Protocol):
    def __call__(self, queue: Key, *, until: int) -> Awaitable[Record | None]: ...


class _Watch(Protocol):
    def __call__(self, prefix: Key) -> AbstractAsyncContextManager[Changes]: ...


class _Logs(Protocol):
    def __call__(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Awaitable[Sequence[Key]]: ...


class _Erase(Protocol):
    def __call__(self, log: Key, *, expected: int) -> Awaitable[Conflict | None]: ...


class UnbatchedStore:
    """The six verbs of `inner` without its further abilities.

    It is also the base of the other wrappers: all verbs go through `_call`.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    @property
    def max_value_bytes(self) -> int:
        return self.inner.max_value_bytes

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
        self,
        key: Key,
        value: bytes,
        *,
        expected: int,
        expires_at: int | None = None,
        due_at: int | None = None,
    ) -> int | Conflict:
        return await self._call(
            "put",
            lambda: self.inner.put(
                key, value, expected=expected, expires_at=expires_at, due_at=due_at
            ),
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


class ForwardingStore(UnbatchedStore):
    """The verbs of `inner` with its further abilities and no others: a base for doubles."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        # Attributes of the instance: `isinstance(store, Batching)` looks for them.
        if isinstance(inner, Batching):
            self.batch: _Batch = self._batch_of(inner)
        if isinstance(inner, Claiming):
            self.claim: _Claim = self._claim_of(inner)
        if isinstance(inner, Watching):
            self.watch: _Watch = self._watch_of(inner)
        if isinstance(inner, Listing):
            self.logs: _Logs = self._logs_of(inner)
        if isinstance(inner, Erasing):
            self.erase: _Erase = self._erase_of(inner)

    def _batch_of(self, inner: Batching) -> _Batch:
        async def batch(operations: Sequence[Operation]) -> Conflict | None:
            return await self._call("batch", lambda: inner.batch(operations))

        return batch

    def _claim_of(self, inner: Claiming) -> _Claim:
        async def claim(queue: Key, *, until: int) -> Record | None:
            return await self._call("claim", lambda: inner.claim(queue, until=until))

        return claim

    def _watch_of(self, inner: Watching) -> _Watch:
        @asynccontextmanager
        async def watch(prefix: Key) -> AsyncGenerator[Changes]:
            context = inner.watch(prefix)
            changes = await self._call("watch", context.__aenter__)
            try:
                yield _WrappedChanges(lambda: self._call("wait", changes.wait))
            finally:
                await context.__aexit__(*sys.exc_info())

        return watch

    def _logs_of(self, inner: Listing) -> _Logs:
        async def logs(prefix: Key, *, after: Key | None = None, limit: int = 100) -> Sequence[Key]:
            return await self._call("logs", lambda: inner.logs(prefix, after=after, limit=limit))

        return logs

    def _erase_of(self, inner: Erasing) -> _Erase:
        async def erase(log: Key, *, expected: int) -> Conflict | None:
            return await self._call("erase", lambda: inner.erase(log, expected=expected))

        return erase


class _WrappedChanges:
    def __init__(self, wait: Callable[[], Awaitable[None]]) -> None:
        self._wait = wait

    async def wait(self) -> None:
        await self._wait()


class CrashingStore(ForwardingStore):
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


class FaultyStore(ForwardingStore):
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
