"""Embeddings through the proxy, in OpenAI's form: passed on whole, paid for by the tokens that go in.

Source: OpenAI's API reference, "Create embeddings".
"""

from __future__ import annotations

from typing import Final, Protocol, TypeGuard

from holdfast.errors import HoldfastError, ProviderRefused, UsageError
from holdfast.ids import new_run_id
from holdfast.proxy.formats.chat import Chat
from holdfast.proxy.inference import headers_of
from holdfast.proxy.joining import traced
from holdfast.proxy.telling import error_answer, id_headers
from holdfast.proxy.wishes import embedding_ask_of, read_object
from holdfast.routing.dialects.seam import Document, Object
from holdfast.routing.dialects.values import as_object
from holdfast.routing.dispatching.calls import Call
from holdfast.routing.dispatching.dispatcher import Dispatcher
from holdfast.routing.dispatching.request import Dispatch
from holdfast.routing.faults import Fault
from holdfast.routing.seam import Provider, Usage
from holdfast.web.http import Answer, Refused, Request, json_answer

_FACE: Final = Chat()


class Embedding(Protocol):
    """A provider that embeds."""

    @property
    def embeds(self) -> bool: ...
    async def embed(self, body: Object) -> tuple[Document, int | None]: ...


class Embeddings:
    """Answers requests for embeddings, led and paid for like any other."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def answer(self, request: Request) -> Answer:
        """Answer one request; what goes wrong is told in OpenAI's form."""
        request_id = str(new_run_id())
        with traced(self._dispatcher.tracer, request, request_id) as span:
            try:
                body = await read_object(request)
                ask = embedding_ask_of(request, body)
                span.set(model=ask.model)
                return await self._lead(Dispatch(self._dispatcher, ask, request_id), body)
            except (Refused, HoldfastError) as error:
                span.fail(error)
                return error_answer(_FACE, error, request_id)

    async def _lead(self, dispatch: Dispatch, body: Object) -> Answer:
        plan, providers = dispatch.plan, self._dispatcher.providers
        asked = [providers[each.endpoint.provider] for each in (*plan.candidates, *plan.waiting)]
        if not any(_can_embed(each) for each in asked):
            names = ", ".join(dict.fromkeys(each.name for each in asked))
            raise UsageError(
                f"no provider of {dispatch.ask.model!r} makes embeddings in OpenAI's form: {names}",
                hint="ask for a model of a provider of the kind openai",
            )

        async def attempt(call: Call) -> Document:
            if not _can_embed(call.provider):
                raise _cannot(call.provider)
            document, charged = await call.provider.embed({**body, "model": call.model})
            call.succeed(_usage_of(as_object(document.get("usage"))), charged_msat=charged)
            return document

        async with dispatch:
            answer = json_answer(await dispatch.run(attempt))
        return Answer(
            body=answer.body, headers=id_headers(_FACE, dispatch.id) | headers_of(dispatch)
        )


def _can_embed(provider: Provider | Embedding) -> TypeGuard[Embedding]:
    return bool(getattr(provider, "embeds", False))


def _cannot(provider: Provider) -> ProviderRefused:
    return ProviderRefused(
        f"provider {provider.name!r} makes no embeddings in OpenAI's form",
        hint="ask a provider of the kind openai",
        fault=Fault.FORBIDDEN,
    )


def _usage_of(usage: Object) -> Usage:
    """Return what was used: nothing comes out that is counted in tokens."""
    told = usage.get("prompt_tokens", usage.get("total_tokens"))
    if not isinstance(told, int) or isinstance(told, bool) or told < 0:
        return Usage()
    return Usage(input_tokens=told, output_tokens=0)
