"""A model provider that says what a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from holdfast.routing.cost import cost_msat
from holdfast.routing.seam import ModelReply, ModelRequest, OnText, Price, Traits, Usage

Scripted = str | ModelReply | Exception
"""What a script may hold: a text, a whole reply, or an error to raise."""


class ScriptedProvider:
    """Answer from a list, one entry a request, or from a function of the request.

    Every request is kept in `requests` before it is answered. With `hold`, an answer waits for
    that event, and `started` tells that a request has come to that point; a call that is
    cancelled there is counted in `cancelled`. Text is streamed word by word::

        provider = ScriptedProvider(["first answer", ProviderUnavailable("down"), "third"])
    """

    def __init__(
        self,
        script: Iterable[Scripted] | Callable[[ModelRequest], Scripted],
        *,
        name: str = "scripted",
        models: tuple[str, ...] = ("scripted-model",),
        price: Price | None = None,
        usage: Usage | None = None,
        hold: asyncio.Event | None = None,
        traits: Traits | None = None,
    ) -> None:
        self._answer = script if callable(script) else _in_order(script)
        self._name, self._models, self._price = name, models, price
        self._usage = usage or Usage(input_tokens=10, output_tokens=5)
        self._hold = hold
        self._traits = traits or Traits()
        self.requests: list[ModelRequest] = []
        self.started = asyncio.Event()
        self.cancelled = 0
        self.closed = False

    @property
    def name(self) -> str:
        return self._name

    @property
    def traits(self) -> Traits:
        return self._traits

    def models(self) -> tuple[str, ...]:
        return self._models

    def serves(self, model: str) -> bool:
        return not self._models or model in self._models

    def price(self, model: str) -> Price | None:
        return self._price if self.serves(model) else None

    async def complete(self, request: ModelRequest, on_text: OnText | None) -> ModelReply:
        self.requests.append(request)
        self.started.set()
        if self._hold is not None:
            try:
                await self._hold.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        reply = self._reply(request)
        if on_text is not None:
            for piece in reply.text.replace(" ", " \0").split("\0"):
                on_text(piece)
        return reply

    async def close(self) -> None:
        self.closed = True

    def _reply(self, request: ModelRequest) -> ModelReply:
        entry = self._answer(request)
        if isinstance(entry, Exception):
            raise entry
        if isinstance(entry, ModelReply):
            return entry
        return ModelReply(
            text=entry,
            value=entry,
            provider=self._name,
            model=request.model,
            usage=self._usage,
            cost_msat=cost_msat(self._price, self._usage),
        )


def _in_order(script: Iterable[Scripted]) -> Callable[[ModelRequest], Scripted]:
    entries = iter(script)

    def answer(request: ModelRequest) -> Scripted:
        for entry in entries:
            return entry
        raise AssertionError(f"the script has no answer left for {request.messages[-1:]!r}")

    return answer
