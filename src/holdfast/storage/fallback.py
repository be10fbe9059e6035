"""Batch, claim and watch through any store, by its own ability or by the six verbs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, assert_never

from holdfast.frozen import replace
from holdfast.storage.limits import check_batch
from holdfast.storage.paging import every_record
from holdfast.storage.seam import (
    Append,
    Changes,
    Claiming,
    Conflict,
    Delete,
    Key,
    Operation,
    Put,
    Record,
    Store,
    Watching,
    can_batch,
    can_submit,
)

if TYPE_CHECKING:
    import asyncio
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from holdfast.clock import Clock


Commit: TypeAlias = "asyncio.Future[Conflict | None]"


def commit_on(store: Store) -> Callable[[Sequence[Operation]], Commit]:
    """Return what begins a `write_all` on `store` and gives its answer to come."""
    if can_submit(store):
        return store.submit

    from asyncio import ensure_future  # noqa: PLC0415 - commands that only look never load it

    from holdfast.storage.pledge import Pledge  # noqa: PLC0415

    def commit(operations: Sequence[Operation]) -> Commit:
        answer = Pledge()
        answer.follow(ensure_future(write_all(store, operations)))
        return answer

    return commit


async def write_all(store: Store, operations: Sequence[Operation]) -> Conflict | None:
    """Apply the operations: all or none of them where the store can, else one by one in order.

    Without the ability to batch this is *not* atomic: each operation checks its own condition
    when its turn comes, the first `Conflict` ends the work, and what went before it stays. A
    crash leaves a prefix. So put the operation that decides first, and the ones that can be
    derived again last.

    Raises:
        UsageError: two operations name the same key or log.
    """
    if can_batch(store):
        return await store.batch(operations)
    check_batch(operations)
    for index, operation in enumerate(operations):
        result = await _write(store, operation)
        if isinstance(result, Conflict):
            return Conflict(result.current, index)
    return None


async def claim_due(store: Store, queue: Key, *, until: int, clock: Clock) -> Record | None:
    """Claim as `Claiming.claim` does: by it where the store can, else by compare-and-set.

    Without the ability every claim looks at all records below the queue, and a record that
    becomes due while it looks may have to wait for the next claim. One record never gets two
    holders. `clock` is the one of the store.
    """
    if isinstance(store, Claiming):
        return await store.claim(queue, until=until)
    while due := await _find_due(store, queue, clock.now_ms()):
        for record in due:
            version = await store.put(
                record.key,
                record.value,
                expected=record.version,
                expires_at=record.expires_at,
                due_at=until,
            )
            if isinstance(version, int):
                return replace(record, version=version, due_at=until)
    return None


async def _find_due(store: Store, queue: Key, now: int) -> list[Record]:
    """Return the due records directly below a queue, the longest due first."""
    due: list[tuple[int, Record]] = []
    async for record in every_record(store, queue):
        direct = len(record.key) == len(queue) + 1
        if direct and record.due_at is not None and record.due_at <= now:
            due.append((record.due_at, record))
    return [record for _, record in sorted(due, key=lambda item: (item[0], item[1].key))]


def watch_changes(
    store: Store, prefix: Key, *, clock: Clock, every: float = 1.0
) -> AbstractAsyncContextManager[Changes]:
    """Watch as `Watching.watch` does: by it where the store can, else at intervals.

    Without the ability each wait takes `every` seconds of `clock` and returns whether or not
    anything has changed.
    """
    return store.watch(prefix) if isinstance(store, Watching) else _Intervals(clock, every)


class _Intervals:
    """The `Changes` of a store that cannot tell, and the context that gives them."""

    def __init__(self, clock: Clock, every: float) -> None:
        self._clock = clock
        self._every = every

    async def wait(self) -> None:
        await self._clock.sleep(self._every)

    async def __aenter__(self) -> Changes:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


async def _write(store: Store, operation: Operation) -> int | Conflict | None:
    match operation:
        case Put(key=key, value=value, expected=expected, expires_at=expires_at, due_at=due_at):
            return await store.put(
                key, value, expected=expected, expires_at=expires_at, due_at=due_at
            )
        case Delete(key=key, expected=expected):
            return await store.delete(key, expected=expected)
        case Append(log=log, entries=entries, expected=expected):
            return await store.append(log, entries, expected=expected)
        case _:
            assert_never(operation)
