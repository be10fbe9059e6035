"""Exchanges with any provider: those that only complete whole requests are spoken to as well."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, cast

from holdfast.errors import Untranslatable
from holdfast.routing.dialects.requests import read_messages
from holdfast.routing.dialects.seam import Batch, Document, Object
from holdfast.routing.dialects.values import as_object
from holdfast.routing.providers.exchange import chunk_of
from holdfast.routing.seam import Message, ModelReply, ModelRequest, Provider, Usage


class Answering(Protocol):
    """An answer that comes in: see `providers.exchange.Exchange`."""

    @property
    def usage(self) -> Usage: ...
    @property
    def charged_msat(self) -> int | None: ...
    @property
    def free(self) -> bool: ...
    @property
    def left_out(self) -> tuple[str, ...]: ...
    @property
    def reason(self) -> str: ...
    def batches(self) -> AsyncIterator[Batch]: ...
    async def document(self) -> Document: ...


class Exchanging(Protocol):
    """The ability to pass chat bodies on with all that is in them."""

    def exchange(self, body: Object, *, stream: bool) -> AbstractAsyncContextManager[Answering]: ...


def exchange_with(
    provider: Provider, body: Object, *, stream: bool
) -> AbstractAsyncContextManager[Answering]:
    """Send a chat body to a provider and give its answer."""
    if hasattr(provider, "exchange"):
        return cast("Exchanging", provider).exchange(body, stream=stream)
    return _complete(provider, body)


class Completed:
    """The answer of a provider that gives it whole."""

    charged_msat = None
    left_out: tuple[str, ...] = ()

    def __init__(self, reply: ModelReply) -> None:
        self._reply = reply
        self.usage = reply.usage
        self.reason = reply.finish_reason
        self.free = reply.cost_msat == 0

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield the answer as one chunk."""
        yield Batch([chunk_of(await self.document())])

    async def document(self) -> Document:
        """Return the answer as a chat completion."""
        message = {"role": "assistant", "content": self._reply.text}
        choice = {"index": 0, "message": message, "finish_reason": self._reply.finish_reason}
        document: Document = {
            "id": "",
            "object": "chat.completion",
            "created": 0,
            "model": self._reply.model,
            "choices": [choice],
        }
        sent, got = self.usage.input_tokens, self.usage.output_tokens
        if sent is not None and got is not None:
            document["usage"] = {
                "prompt_tokens": sent, "completion_tokens": got, "total_tokens": sent + got
            }  # fmt: skip
        return document


@asynccontextmanager
async def _complete(provider: Provider, body: Object) -> AsyncGenerator[Completed]:
    yield Completed(await provider.complete(request_of(body), None))


def request_of(body: Object) -> ModelRequest:
    """Return a chat body as a request for text.

    Raises:
        Untranslatable: it has tools or parts that are no text.
    """
    if body.get("tools"):
        raise Untranslatable("tools", "this provider calls no tools")
    most = body.get("max_completion_tokens", body.get("max_tokens"))
    temperature = body.get("temperature")
    return ModelRequest(
        model=cast("str", body["model"]),
        messages=tuple(_message(n, each) for n, each in enumerate(read_messages(body))),
        temperature=temperature if isinstance(temperature, float) else None,
        max_tokens=most if isinstance(most, int) else None,
    )


def _message(place: int, message: Object) -> Message:
    role, content = message.get("role"), message.get("content")
    if isinstance(content, list):
        parts = cast("list[object]", content)
        content = "".join(_text(place, each) for each in parts)
    if role not in ("system", "developer", "user", "assistant") or not isinstance(content, str):
        raise Untranslatable(f"messages[{place}]", "this provider takes messages of text only")
    return Message(role="system" if role == "developer" else role, content=content)


def _text(place: int, part: object) -> str:
    fields = as_object(part)
    text = fields.get("text")
    if fields.get("type") != "text" or not isinstance(text, str):
        raise Untranslatable(f"messages[{place}].content", "this provider takes text only")
    return text
