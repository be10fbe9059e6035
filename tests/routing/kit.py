"""What several routing tests need: requests, contracts, and an endpoint that says anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from holdfast.clock import SystemClock
from holdfast.errors import ModelOutputError
from holdfast.ids import new_run_id
from holdfast.routing.config import ProviderConfig
from holdfast.routing.providers.chat import ChatProvider
from holdfast.routing.seam import Message, ModelRequest, OutputContract
from holdfast.tracing.kept import Kept
from holdfast.tracing.span import Span
from holdfast.tracing.tracer import Tracer

SECRET = "sk-very-secret-key"
NUMBER_SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


def ask(text: str = "hello", model: str = "m", **fields) -> ModelRequest:
    return ModelRequest(model=model, messages=(Message(role="user", content=text),), **fields)


def parse_number(text: str) -> int:
    try:
        return int(json.loads(text)["n"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelOutputError(f"answer with an object that holds a number n ({error})") from error


NUMBER = OutputContract(name="number", schema=NUMBER_SCHEMA, parse=parse_number)


class Spans:
    """A tracer that keeps what it is given."""

    def __init__(self) -> None:
        self._kept = Kept()
        self.tracer = Tracer(clock=SystemClock(), sink=self._kept)

    @property
    def finished(self) -> Sequence[Span]:
        return self._kept.spans

    def run(self):
        return self.tracer.span("run", trace_id=str(new_run_id()))


@asynccontextmanager
async def provider_at(url: str, **fields) -> AsyncIterator[ChatProvider]:
    config = {"name": "stub", "api_key": SECRET, "models": {}} | fields
    provider = ChatProvider(ProviderConfig(base_url=url, **config), clock=SystemClock())
    try:
        yield provider
    finally:
        await provider.close()


@asynccontextmanager
async def endpoint(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """Serve `handler` at any path of the address that is yielded."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()


def streaming(*pieces: bytes, then: asyncio.Event | None = None):
    """Return a handler that streams `pieces` and then ends, or waits for an event."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if then is not None:
            await then.wait()
        return response

    return handler


def answering(status: int, body: object, headers: dict[str, str] | None = None):
    """Return a handler that answers one JSON document."""

    async def handler(request: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return handler


def delta(text: str | None = None, finish: str | None = None, **fields) -> bytes:
    """Return one event of a streamed reply."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice], **fields}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
