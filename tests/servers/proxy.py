"""A proxy between a client and a server that counts, holds back and cuts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

Chunk = bytes


class Proxy:
    """Forward bytes in both directions between one client port and `port` of this machine.

    `requests` and `replies` are the chunks that went by since `forget`. While `holding` is set
    replies wait; `held` tells that one does. `cut` decides for each chunk of a client whether the
    connection ends: "before" it reaches the server, or "after" it was answered, unseen.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.requests: list[Chunk] = []
        self.replies: list[Chunk] = []
        self.held = asyncio.Event()
        self._released = asyncio.Event()
        self._released.set()
        self.cut: Callable[[Chunk], str | None] = lambda _: None
        self._tasks: set[asyncio.Task[None]] = set()

    def forget(self) -> None:
        """Begin to count anew."""
        self.requests.clear()
        self.replies.clear()

    def hold(self) -> None:
        """Keep replies back until `release`."""
        self.held.clear()
        self._released.clear()

    def release(self) -> None:
        """Let the replies go."""
        self._released.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the server is down, or the test ends
        finally:
            await _close(writer)
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, server = await asyncio.open_connection("127.0.0.1", self._target)
        fate: list[str] = []
        back = asyncio.create_task(self._back(answers, writer, fate))
        try:
            await self._forth(reader, server, fate)
            if fate == ["after"]:
                await back
        finally:
            back.cancel()
            # At once: the test may end, and cancel this task, while it waits.
            server.close()
            writer.close()
            await asyncio.gather(back, return_exceptions=True)
            await _close(server)

    async def end(self) -> None:
        """Cut every connection."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forth(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, fate: list[str]
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(1 << 20):
                self.requests.append(chunk)
                when = self.cut(chunk)
                if when is not None:
                    fate.append(when)
                if when == "before":
                    return
                server.write(chunk)
                await server.drain()
                if when == "after":
                    return

    async def _back(
        self, server: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: list[str]
    ) -> None:
        with suppress(OSError):
            while chunk := await server.read(1 << 20):
                if fate:
                    return
                if not self._released.is_set():
                    self.held.set()
                    await self._released.wait()
                self.replies.append(chunk)
                writer.write(chunk)
                await writer.drain()
            # The server went away, and so does the connection of the client.
            await _close(writer)


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    """Run a proxy until the end of the block."""
    proxy = Proxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
        await server.wait_closed()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
