"""A proxy before a server like DynamoDB that loses answers and makes up others."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from aiohttp import ClientSession, web

from tests.servers.dynamodb import DynamoServer

Hook = Callable[[], Awaitable[object]]


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Lost:
    """The server does what is asked; then `meanwhile` happens, and the answer is lost.

    `how` is "cut" (the connection ends), "torn" (in the middle of the answer) or "500".
    """

    how: str = "cut"
    meanwhile: Hook = _nothing


@dataclass(frozen=True, slots=True)
class Unsent:
    """The connection ends before the server has seen the request."""

    meanwhile: Hook = _nothing


@dataclass(frozen=True, slots=True)
class Refused:
    """The server is not asked; the answer is an error of this code."""

    code: str
    members: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answered:
    """The server is not asked; this is the answer."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """The server is asked when `until` has ended."""

    until: Hook


Fault = Lost | Unsent | Refused | Answered | Held


class DynamoProxy:
    """What went by, and what is to go wrong: `faults` by operation, used up one by one."""

    def __init__(self, target: str) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[dict[str, Any]] = []
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._target = target

    def fail(self, operation: str, *faults: Fault) -> None:
        """Let the next requests of this kind go wrong."""
        self.faults[operation].extend(faults)

    @property
    def operations(self) -> list[str]:
        """The kinds of the requests so far, oldest first."""
        return [operation for operation, _ in self.requests]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        operation = request.headers["X-Amz-Target"].partition(".")[2]
        body = await request.read()
        self.requests.append((operation, json.loads(body)))
        queue = self.faults[operation]
        if queue:
            return await self._fail(queue.popleft(), request, body)
        return await self._pass(request, body)

    async def _fail(self, fault: Fault, request: web.Request, body: bytes) -> web.StreamResponse:
        match fault:
            case Held(until=until):
                await until()
                return await self._pass(request, body)
            case Refused(code=code, members=members):
                return _response(400, json.dumps({"__type": f"x#{code}", **members}).encode())
            case Answered(body=made_up):
                return _response(200, json.dumps(made_up).encode())
            case Unsent(meanwhile=meanwhile):
                await meanwhile()
                return _cut(request)
            case Lost(how=how, meanwhile=meanwhile):
                _, answer = await self._forward(request, body)
                await meanwhile()
                return await _lose(how, request, answer)
            case _:
                assert_never(fault)

    async def _pass(self, request: web.Request, body: bytes) -> web.Response:
        status, answer = await self._forward(request, body)
        self.answers.append(json.loads(answer))
        return _response(status, answer)

    async def _forward(self, request: web.Request, body: bytes) -> tuple[int, bytes]:
        kept = {"X-Amz-Target", "Content-Type", "Authorization", "X-Amz-Date"}
        headers = {name: value for name, value in request.headers.items() if name.title() in kept}
        async with (
            ClientSession() as session,
            session.post(self._target, data=body, headers=headers) as answer,
        ):
            return answer.status, await answer.read()


@asynccontextmanager
async def proxy_to(server: DynamoServer) -> AsyncIterator[tuple[DynamoProxy, DynamoServer]]:
    """Run a proxy until the end of the block; give it and the server as seen through it."""
    proxy = DynamoProxy(server.endpoint)
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/", proxy.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield proxy, replace(server, endpoint=f"http://127.0.0.1:{port}")
    finally:
        await runner.cleanup()


def _response(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/x-amz-json-1.0")


def _cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _lose(how: str, request: web.Request, answer: bytes) -> web.StreamResponse:
    if how == "500":
        return _response(500, b'{"__type": "x#InternalServerError"}')
    if how == "torn":
        torn = web.StreamResponse(headers={"Content-Length": str(len(answer) + 10)})
        await torn.prepare(request)
        await torn.write(answer)
    return _cut(request)
