"""The one path to a model: choose the cheapest provider, ask it, check what it answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from operator import attrgetter
from random import random

from holdfast.clock import Clock, SystemClock
from holdfast.errors import ModelOutputError, ProviderError, UsageError
from holdfast.frozen import replace
from holdfast.routing.breakers.board import Board
from holdfast.routing.config import RoutingConfig
from holdfast.routing.cost import total_reply
from holdfast.routing.dispatching.answering import answered_by
from holdfast.routing.dispatching.asking import Ask, ask_of, led_again, led_like
from holdfast.routing.dispatching.calls import Call
from holdfast.routing.dispatching.cascading import lead
from holdfast.routing.dispatching.dispatcher import Dispatcher
from holdfast.routing.dispatching.overseeing import Again
from holdfast.routing.dispatching.request import Dispatch
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.seam import (
    OFFLINE,
    OFFLINE_EXTRACT,
    Account,
    Message,
    ModelReply,
    ModelRequest,
    OnText,
    OutputContract,
    Provider,
)
from holdfast.routing.selection.choosing import ANY
from holdfast.routing.structured import extract_json
from holdfast.tracing.tracer import Tracer

_EXCERPT = 200


class Router:
    """Send requests to the cheapest of the configured providers that serves the model.

    A model may be written `provider/model`: then that provider is asked and no other, whatever
    it costs. `dispatcher` is what requests of other faces go through as well.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        tracer: Tracer,
        attempts: int = 3,
        *,
        config: RoutingConfig | None = None,
        clock: Clock | None = None,
        board: Board | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        if attempts < 1:
            raise UsageError(f"a router needs at least one attempt, not {attempts}")
        config, clock = config or RoutingConfig(), clock or SystemClock()
        self.dispatcher = Dispatcher(
            providers,
            tracer,
            config=config,
            clock=clock,
            board=board or Board(config.breaker, now_ms=clock.now_ms, jitter=random),
            ledger=ledger,
        )
        self._attempts = attempts

    def default_model(self) -> str:
        """Return the first model of the first provider that names any, else the extractor."""
        providers = self.dispatcher.providers.values()
        named = (model for each in providers if each.name != OFFLINE for model in each.models())
        return next(named, OFFLINE_EXTRACT)

    async def complete(
        self,
        request: ModelRequest,
        on_text: OnText | None = None,
        *,
        account: Account | None = None,
        like: Ask | None = None,
    ) -> ModelReply:
        """Return a reply whose `value` fits the request's output contract.

        A provider that cannot serve is passed over for the next cheapest. A reply that does
        not fit is sent back to the model with the sentence that says why; that exchange is the
        only thing ever added to a conversation. Usage, cost and calls are those of all replies.
        `on_text` also gets the text of tries that failed later. An error that comes after replies
        has their sum in `spent`: they were paid for all the same. `account` says who pays. The
        request is led as `like` would be, if it is given: the same policy and limits, the same payer.

        Raises:
            NoProvider: nobody serves the model, or nobody may by the policy.
            BudgetExceeded: no budget of the account allows the request.
            ProviderUnavailable: every provider that serves it; the error of the last one.
            ProviderRefused: the request, the key or the model must be mended.
            ModelOutputError: no reply fitted.
        """
        replies: list[ModelReply] = []
        leading = led_like(ask_of(request, account or Account()), like)
        while True:
            ask = led_again(ask_of(request, leading.account), leading, _place(replies))
            try:
                reply = await self._ask(request, on_text, ask)
            except ProviderError as error:
                spent = [*replies, error.spent] if isinstance(error.spent, ModelReply) else replies
                error.spent = total_reply(spent, None) if spent else None
                raise
            replies.append(reply)
            if request.output is None:
                return total_reply(replies, reply.value)
            try:
                return total_reply(replies, request.output.parse(extract_json(reply.text)))
            except ModelOutputError as error:
                # The extractor would only extract from the complaint about its answer.
                if len(replies) == self._attempts or reply.extractive:
                    raise _misfit(replies, request.output, error) from error
                request = _asked_again(request, reply, error)

    def served_by(self, model: str) -> set[str]:
        """Return the names of the providers that may be asked for a model; nothing is sent.

        Raises:
            NoProvider: nobody serves it.
        """
        plan = self.dispatcher.plan(self.dispatcher.wanted(Ask(model=model, size=0)))
        return {each.endpoint.provider for each in (*plan.candidates, *plan.waiting)}

    async def close(self) -> None:
        """Close every provider, also if one of them fails to, and keep what is known of their circuits."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, self.dispatcher.board.flush)
            for provider in self.dispatcher.providers.values():
                stack.push_async_callback(provider.close)

    async def _ask(self, request: ModelRequest, on_text: OnText | None, ask: Ask) -> ModelReply:
        overseer = self.dispatcher.overseer if ask.model == ANY else None
        if overseer is None:
            reply, _ = await self._send(request, on_text, ask)
            return reply
        reply, dispatch = await self._send(request, on_text, await overseer.foresee(ask))
        if ask.first is None and (told := answered_by(dispatch, reply.text, self._again(request))):
            overseer.answered(told)
        return reply

    def _again(self, request: ModelRequest) -> Again:
        async def again(ask: Ask) -> tuple[str, int | None]:
            reply, _ = await self._send(replace(request, model=ask.model), None, ask)
            return reply.text, reply.cost_msat

        return again

    async def _send(
        self, request: ModelRequest, on_text: OnText | None, ask: Ask
    ) -> tuple[ModelReply, Dispatch]:
        replies: list[ModelReply] = []

        async def attempt(call: Call) -> ModelReply:
            call.span.set(input=[{"role": m.role, "content": m.content} for m in request.messages])
            asked = replace(request, model=call.model, max_tokens=call.max_tokens)
            reply = await call.provider.complete(asked, _timed(on_text, call))
            call.span.set(
                extractive=reply.extractive,
                calls=reply.calls,
                finish_reason=reply.finish_reason,
                output=reply.text,
            )
            dispatch.cut_off = reply.finish_reason == "length"
            call.succeed(reply.usage, charged_msat=reply.cost_msat)
            replies.append(reply)
            return reply

        async with Dispatch(self.dispatcher, ask) as dispatch:
            try:
                last = await lead(dispatch, attempt, attrgetter("text"))
            except ProviderError as error:
                error.spent = total_reply(replies, None) if replies else None
                raise
        return (total_reply(replies, last.value) if len(replies) > 1 else last), dispatch


def _timed(on_text: OnText | None, call: Call) -> OnText:
    """Return `on_text` so that its call knows when the first piece came."""

    def note(piece: str) -> None:
        call.note_first_byte()
        if on_text is not None:
            on_text(piece)

    return note


def _place(replies: Sequence[ModelReply]) -> tuple[str, str] | None:
    return (replies[-1].provider, replies[-1].model) if replies else None


def _asked_again(request: ModelRequest, reply: ModelReply, error: ModelOutputError) -> ModelRequest:
    exchange = (
        Message(role="assistant", content=reply.text),
        Message(role="user", content=error.message),
    )
    return replace(request, messages=(*request.messages, *exchange))


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
    misfit.spent = total_reply(replies, None)
    return misfit
