"""Keys, values and small helpers that the rules of the contract share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from holdfast.errors import StorageUnavailable
from holdfast.storage.keys import MAX_KEY_BYTES
from holdfast.storage.seam import ABSENT, Conflict, Key, Record, Store
from holdfast.testing.clock import ManualClock

KEY = ("runs", "a")
LOG = ("runs", "log")

HOSTILE_KEYS: tuple[Key, ...] = (
    ("",),
    ("", ""),
    ("a",),
    ("a", ""),
    ("a", "b"),
    ("a:b",),
    ("a/b",),
    ("ab",),
    ("a\x00",),
    ("a\x00b",),
    ("a\x01",),
    ("a\x01", "b"),
    ("a\x01\x01",),
    ("a\x01\x02",),
    ("a\x02",),
    ("A",),
    ("%", "_"),
    ("*", "?", "["),
    ("..", "."),
    (" a",),
    ("a ",),
    ("a\n",),
    ("'", '"', "\\"),
    ("\x7f",),
    ("\u00e9",),
    ("e\u0301",),
    ("\u07ff", "\u0800"),
    ("\ud7ff",),
    ("\ue000",),
    ("\uffff",),
    ("x" * (MAX_KEY_BYTES - 1),),
    ("",) * MAX_KEY_BYTES,
    *((chr(plane * 0x10000 + 0x123),) for plane in range(1, 17)),
    ("\U0010ffff",),
)
"""Keys that differ and that a careless encoding mistakes for one another, or puts out of order."""

HOSTILE_VALUES = (
    b"\x00",
    b"\x00\x00",
    b"\xff",
    b"\xff\xfe",
    b"\n",
    b"\r\n",
    b"line\nline\n",
    b"null",
    b'{"json": true}',
    b"-1",
    b"\xed\xa0\x80",
    bytes(range(256)),
)
"""Values that text, a line or a number would not survive."""

MEBIBYTE = 1024 * 1024

DEADLINE = 30.0
"""Seconds of real time after which something that must happen has not."""


async def create(
    store: Store,
    key: Key,
    value: bytes = b"v",
    *,
    expires_at: int | None = None,
    due_at: int | None = None,
) -> int:
    """Put a record that must not exist and return its version."""
    version = await store.put(key, value, expected=ABSENT, expires_at=expires_at, due_at=due_at)
    assert isinstance(version, int)
    return version


async def create_all(store: Store, keys: Sequence[Key], **times: int | None) -> None:
    """Put records that must not exist, all at once; the value of each is its place."""
    await asyncio.gather(
        *(create(store, key, b"%d" % place, **times) for place, key in enumerate(keys))
    )


async def replace(store: Store, key: Key, value: bytes, expected: int) -> int:
    """Put a record that must have this version and return the new one."""
    version = await store.put(key, value, expected=expected)
    assert isinstance(version, int)
    return version


async def existing(store: Store, key: Key) -> Record:
    """Return the record, which must be there."""
    record = await store.get(key)
    assert record is not None
    return record


async def keys_of(store: Store, prefix: Key, limit: int = 1000) -> list[Key]:
    """Return the keys of one page."""
    return [record.key for record in await store.scan(prefix, limit=limit)]


async def values_of(store: Store, log: Key) -> list[bytes]:
    """Return the values of all entries."""
    return [entry.value for entry in await store.read(log)]


async def append_in_turn(store: Store, log: Key, value: bytes) -> int:
    """Append at the last number, again if another one was faster; return the number."""
    result: int | Conflict = Conflict(0)
    while isinstance(result, Conflict):
        result = await store.append(log, [value], expected=result.current)
    return result


def numbers(results: Sequence[int | Conflict | None]) -> list[int]:
    """Return the results, none of which may be a refusal."""
    written = [result for result in results if isinstance(result, int)]
    assert len(written) == len(results)
    return written


async def gather_some(calls: Sequence[Callable[[], Awaitable[object]]], *, at_once: int) -> None:
    """Make all calls, so many of them at a time."""
    for start in range(0, len(calls), at_once):
        await asyncio.gather(*(call() for call in calls[start : start + at_once]))


async def let_time_pass(seconds: float) -> None:
    """Wait in real time, for what a server does meanwhile; the manual clock stands still."""
    never = asyncio.get_running_loop().create_future()
    await asyncio.wait({never}, timeout=seconds)


MOMENTS: tuple[float, ...] = (0, 0.0001, 0.0003, 0.001, 0.003, 0.01)
"""Seconds into a verb at which a rule cancels it."""


async def cancel_midway(
    call: Callable[[], Coroutine[Any, Any, object]], clock: ManualClock, *, turns: int = 0
) -> list[object]:
    """Begin the call again and again and cancel it a little later each time.

    Return what those gave that were quick enough; any error but the cancellation is raised.
    """
    results: list[object] = []
    for wait in (*(_turns(clock, turn) for turn in range(turns)), *map(_moment, MOMENTS)):
        task = asyncio.ensure_future(call())
        await wait(task)
        task.cancel()
        try:
            results.append(await task)
        except asyncio.CancelledError:
            continue
    return results


def _turns(clock: ManualClock, number: int) -> Callable[[asyncio.Future[Any]], Awaitable[None]]:
    async def wait(_task: asyncio.Future[Any]) -> None:
        for _ in range(number):
            await clock.sleep(0)

    return wait


def _moment(seconds: float) -> Callable[[asyncio.Future[Any]], Awaitable[None]]:
    async def wait(task: asyncio.Future[Any]) -> None:
        await asyncio.wait({task}, timeout=seconds)

    return wait


@asynccontextmanager
async def running(work: Coroutine[Any, Any, object]) -> AsyncGenerator[asyncio.Task[object]]:
    """Run a task beside the context and end it with the context; its errors are raised."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
        raise result


async def assert_refused(verbs: Sequence[Awaitable[object]]) -> None:
    """Await verbs of a store that is not open; each must say so."""
    results = await asyncio.gather(*verbs, return_exceptions=True)
    assert [type(result) for result in results] == [StorageUnavailable] * len(results)
