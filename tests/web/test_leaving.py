"""Who leaves before the answer stops the work for it; who ends the server does too."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import MutableMapping
from typing import Any

import pytest

from holdfast.web.application import Application
from holdfast.web.guard import Guard
from holdfast.web.http import Answer, Refused, Request
from holdfast.web.server import listen


class Slow:
    """Routes that read the body and then work until they are stopped."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.stopped = False

    async def answer(self, request: Request) -> Answer | None:
        await request.body()
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        return None

    def refuse(self, request: Request, refused: Refused) -> Answer | None:
        return None


class Client:
    """A client that sends a body and goes away when it is told to."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.sent: list[MutableMapping[str, Any]] = []
        self._body: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": b"{}"}]

    async def receive(self) -> MutableMapping[str, Any]:
        if self._body:
            return self._body.pop()
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)


SCOPE = {"type": "http", "method": "POST", "path": "/work", "headers": [(b"host", b"127.0.0.1")]}


def begin(slow: Slow, client: Client) -> asyncio.Task[None]:
    application = Application([slow], Guard(host="127.0.0.1", token=None))
    return asyncio.ensure_future(application(dict(SCOPE), client.receive, client.send))


async def test_a_client_that_leaves_stops_the_work_and_the_server_goes_on() -> None:
    slow, client = Slow(), Client()
    serving = begin(slow, client)
    await slow.begun.wait()
    client.left.set()
    await serving  # raises nothing
    assert slow.stopped
    assert serving.cancelling() == 0
    assert client.sent == []


async def test_a_server_that_ends_stops_the_work_and_is_told_so() -> None:
    slow, client = Slow(), Client()
    serving = begin(slow, client)
    await slow.begun.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert slow.stopped


async def test_an_answer_never_waits_for_the_acknowledgement_of_its_head() -> None:
    taken: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        taken.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = listen("127.0.0.1", 0)
    async with await asyncio.start_server(accept, sock=listener), asyncio.timeout(5):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        assert await taken
        writer.close()
