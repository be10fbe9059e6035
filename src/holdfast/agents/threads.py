"""Call functions that block, in threads that keep neither the loop nor the process from ending."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial


async def call_in_thread(function: Callable[..., object], /, **arguments: object) -> object:
    """Return what a function returns, or raise what it raises.

    Unlike that of `asyncio.to_thread`, the thread is left alone when nobody waits for it any more:
    the process may end while it runs, as it may whenever it is killed.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[object] = loop.create_future()
    call = partial(contextvars.copy_context().run, function, **arguments)
    thread = threading.Thread(
        target=_work, args=(call, done, loop), name="holdfast-call", daemon=True
    )
    thread.start()
    return await done


def _work(
    call: Callable[[], object], done: asyncio.Future[object], loop: asyncio.AbstractEventLoop
) -> None:
    try:
        tell = partial(_tell, done, done.set_result, call())
    except StopIteration as error:  # no future may hold one
        tell = partial(_tell, done, done.set_exception, RuntimeError(f"StopIteration: {error}"))
    except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
        tell = partial(_tell, done, done.set_exception, error)
    with suppress(RuntimeError):  # the loop is closed: nobody waits
        loop.call_soon_threadsafe(tell)


def _tell(done: asyncio.Future[object], tell: Callable[..., None], what: object) -> None:
    if not done.done():
        tell(what)
