"""The one path to a model: choose the cheapest provider, ask it, check what it answered."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from holdfast.errors import (
    ModelOutputError,
    NoProvider,
    ProviderError,
    ProviderUnavailable,
    UsageError,
)
from holdfast.routing.cost import compare_cost, total, total_usage
from holdfast.routing.seam import (
    OFFLINE_EXTRACT,
    Message,
    ModelReply,
    ModelRequest,
    OnText,
    OutputContract,
    Provider,
)
from holdfast.routing.structured import extract_json
from holdfast.tracing.tracer import ActiveSpan, Tracer

_EXCERPT = 200


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider, and the name of the model there."""

    provider: Provider
    model: str


class Router:
    """Send requests to the cheapest of the configured providers that serves the model.

    A model may be written `provider/model`: then that provider is asked and no other, whatever
    it costs.
    """

    def __init__(self, providers: Sequence[Provider], tracer: Tracer, attempts: int = 3) -> None:
        names = [provider.name for provider in providers]
        if len(set(names)) < len(names):
            raise UsageError(f"two providers have the same name: {', '.join(sorted(names))}")
        if attempts < 1:
            raise UsageError(f"a router needs at least one attempt, not {attempts}")
        self._providers = tuple(providers)
        self._tracer = tracer
        self._attempts = attempts

    def default_model(self) -> str:
        """Return the first model of the first provider that names any, else the extractor."""
        named = (model for provider in self._providers for model in provider.models())
        return next((model for model in named if model != OFFLINE_EXTRACT), OFFLINE_EXTRACT)

    async def complete(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        """Return a reply whose `value` fits the request's output contract.

        A provider that is unavailable is passed over for the next cheapest. A reply that does
        not fit is sent back to the model with the sentence that says why; that exchange is the
        only thing ever added to a conversation. Usage, cost and calls are those of all replies.
        `on_text` also gets the text of tries that failed later. An error that comes after replies
        has their sum in `spent`: they were paid for all the same.

        Raises:
            NoProvider: nobody serves the model.
            ProviderUnavailable: every provider that serves it; the error of the last one.
            ProviderRefused: the request, the key or the model must be mended.
            ModelOutputError: no reply fitted.
        """
        candidates = self._candidates(request.model)
        replies: list[ModelReply] = []
        while True:
            try:
                reply, candidates = await self._ask(candidates, request, on_text)
            except ProviderError as error:
                error.spent = _sum(replies, None) if replies else None
                raise
            replies.append(reply)
            if request.output is None:
                return _sum(replies, reply.value)
            try:
                return _sum(replies, request.output.parse(extract_json(reply.text)))
            except ModelOutputError as error:
                # The extractor would only extract from the complaint about its answer.
                if len(replies) == self._attempts or reply.extractive:
                    raise _misfit(replies, request.output, error) from error
                request = _asked_again(request, reply, error)

    def check_served(self, model: str) -> None:
        """Raise `NoProvider` if nobody serves `model`; nothing is sent."""
        self._candidates(model)

    async def close(self) -> None:
        """Close every provider, also if one of them fails to."""
        async with AsyncExitStack() as stack:
            for provider in self._providers:
                stack.push_async_callback(provider.close)

    def _candidates(self, model: str) -> tuple[Candidate, ...]:
        wanted, _, rest = model.partition("/")
        forced = next((each for each in self._providers if each.name == wanted and rest), None)
        if forced is not None:
            found = [Candidate(forced, name) for name in (rest, model) if forced.serves(name)][:1]
        else:
            found = [Candidate(each, model) for each in self._providers if each.serves(model)]
        if not found:
            raise self._unserved(model)
        return tuple(sorted(found, key=_expense))

    async def _ask(
        self, candidates: Sequence[Candidate], request: ModelRequest, on_text: OnText | None
    ) -> tuple[ModelReply, Sequence[Candidate]]:
        """Return the first reply, and the candidates from the one that gave it."""
        for place, candidate in enumerate(candidates):
            try:
                reply = await self._call(candidate, request, on_text)
            except ProviderUnavailable:
                if place == len(candidates) - 1:
                    raise
            else:
                return reply, candidates[place:]
        raise AssertionError("a request always has a candidate")

    async def _call(
        self, candidate: Candidate, request: ModelRequest, on_text: OnText | None
    ) -> ModelReply:
        provider, model = candidate.provider, candidate.model
        with self._tracer.span(
            f"{provider.name}/{model}", kind="model", provider=provider.name, model=model
        ) as span:
            span.set(input=[{"role": m.role, "content": m.content} for m in request.messages])
            reply = await provider.complete(
                replace(request, model=model), _timed(on_text, span, self._tracer)
            )
            span.set(
                input_tokens=reply.usage.input_tokens,
                output_tokens=reply.usage.output_tokens,
                cost_msat=reply.cost_msat,
                extractive=reply.extractive,
                calls=reply.calls,
                finish_reason=reply.finish_reason,
                output=reply.text,
            )
            return reply

    def _unserved(self, model: str) -> NoProvider:
        from difflib import get_close_matches  # noqa: PLC0415 - only needed for a message

        known = [name for provider in self._providers for name in provider.models()]
        known += [f"{each.name}/{name}" for each in self._providers for name in each.models()]
        close = get_close_matches(model, known, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        listed = "; ".join(
            f"{provider.name}: {', '.join(provider.models()) or 'any model'}"
            for provider in self._providers
        )
        return NoProvider(
            f"no configured provider serves the model {model!r}{meant}",
            hint=f"configured: {listed or 'none'}. Add a model to the models of a provider in "
            "holdfast.toml, or a provider: a table [providers.NAME] with base_url, api_key and "
            "models",
        )


def _timed(on_text: OnText | None, span: ActiveSpan, tracer: Tracer) -> OnText | None:
    """Return `on_text` so that it notes on a span when the first piece came."""
    if on_text is None:
        return None
    begin = tracer.now_ns()

    def note(piece: str) -> None:
        if "ttft_ns" not in span.attributes:
            span.set(ttft_ns=tracer.now_ns() - begin)
        on_text(piece)

    return note


def _expense(candidate: Candidate) -> tuple[bool, int]:
    price = candidate.provider.price(candidate.model)
    return (price is None, compare_cost(price) if price else 0)


def _asked_again(request: ModelRequest, reply: ModelReply, error: ModelOutputError) -> ModelRequest:
    exchange = (
        Message(role="assistant", content=reply.text),
        Message(role="user", content=error.message),
    )
    return replace(request, messages=(*request.messages, *exchange))


def _sum(replies: Sequence[ModelReply], value: object) -> ModelReply:
    """Return the last reply with `value`, and with the usage, cost and calls of all."""
    return replace(
        replies[-1],
        value=value,
        usage=total_usage(reply.usage for reply in replies),
        cost_msat=total(reply.cost_msat for reply in replies),
        calls=sum(reply.calls for reply in replies),
    )


def _misfit(
    replies: Sequence[ModelReply], output: OutputContract, error: ModelOutputError
) -> ModelOutputError:
    last, tries = replies[-1], len(replies)
    excerpt = last.text[:_EXCERPT] + ("…" if len(last.text) > _EXCERPT else "")
    often = f"in {tries} tries" if tries > 1 else "in one try"
    cut_off = " and was cut off by max_tokens" if last.finish_reason == "length" else ""
    misfit = ModelOutputError(
        f"the model {last.model!r} of {last.provider!r} gave no reply that fits {output.name!r} "
        f"{often}: {error.message}; the last one began {excerpt!r}{cut_off}",
        hint=error.hint or "describe the wanted output in the prompt, or choose a stronger model",
    )
    misfit.spent = _sum(replies, None)
    return misfit
