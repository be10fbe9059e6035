"""Write several records and logs through any store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, assert_never

from holdfast.storage.limits import check_batch
from holdfast.storage.seam import (
    Append,
    Batching,
    Conflict,
    Delete,
    Operation,
    Put,
    Store,
    Submitting,
)

if TYPE_CHECKING:
    import asyncio


Commit: TypeAlias = "asyncio.Future[Conflict | None]"


def commit_on(store: Store) -> Callable[[Sequence[Operation]], Commit]:
    """Return what begins a `write_all` on `store` and gives its answer to come."""
    if isinstance(store, Submitting):
        return store.submit

    from asyncio import ensure_future  # noqa: PLC0415 - commands that only look never load it

    def commit(operations: Sequence[Operation]) -> Commit:
        return ensure_future(write_all(store, operations))

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
    if isinstance(store, Batching):
        return await store.batch(operations)
    check_batch(operations)
    for index, operation in enumerate(operations):
        result = await _write(store, operation)
        if isinstance(result, Conflict):
            return Conflict(result.current, index)
    return None


async def _write(store: Store, operation: Operation) -> int | Conflict | None:
    match operation:
        case Put(key=key, value=value, expected=expected, expires_at=expires_at):
            return await store.put(key, value, expected=expected, expires_at=expires_at)
        case Delete(key=key, expected=expected):
            return await store.delete(key, expected=expected)
        case Append(log=log, entries=entries, expected=expected):
            return await store.append(log, entries, expected=expected)
        case _:
            assert_never(operation)
