"""Run the application on a port, until somebody stops it."""

from __future__ import annotations

import errno
import gc
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holdfast.errors import UsageError

if TYPE_CHECKING:
    from holdfast.web.application import Application

_SHUTDOWN_SECONDS = 5


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one.

    Raises:
        UsageError: the address is not ours, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, as asyncio turns Nagle's algorithm off only then: head and body of an
    # answer are two writes, and the second would wait 40 ms for the first to be acknowledged.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
        listener.settimeout(0)
    except (OSError, OverflowError) as error:
        listener.close()
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} of {host} is taken",
                hint="choose another: --port N, or 0 for a free one",
            ) from error
        raise UsageError(f"cannot listen on {host}:{port}: {error}") from error
    return listener


async def serve(
    application: Application, listener: socket.socket, ready: Callable[[], None]
) -> signal.Signals | None:
    """Serve until SIGINT or SIGTERM, and return which it was; what is under way then is finished."""
    import uvicorn  # noqa: PLC0415 - only a server needs it

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    config = uvicorn.Config(
        application,
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,  # nobody asks whom a proxy in front of us speaks for
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    with _calm_collector(), _taking_signals() as taken:
        await Server(config).serve(sockets=[listener])
    return taken[0] if taken else None


@contextmanager
def _taking_signals() -> Generator[list[signal.Signals]]:
    """Give the signals that uvicorn raises again when it has stopped.

    Nobody else may act on them: what was served has its books to close.
    """
    taken: list[signal.Signals] = []
    before = {
        each: signal.signal(each, lambda number, _: taken.append(signal.Signals(number)))
        for each in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield taken
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _calm_collector() -> Generator[None]:
    """Look for cycles of garbage a tenth as often, and not in what was there from the beginning.

    A request makes some hundred objects that are gone with it; looking through them each time is 6 %
    of what it costs.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(before[0] * 10, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
