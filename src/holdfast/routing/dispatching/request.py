"""One request on its way: it holds money, asks endpoints in order, and settles what they charged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from holdfast.errors import BudgetExceeded, HoldfastError, ProviderError, ProviderUnavailable
from holdfast.frozen import replace
from holdfast.ids import new_run_id
from holdfast.routing.cost import dearest_rates, total
from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.dispatching.calls import Call
from holdfast.routing.dispatching.dispatcher import Dispatcher
from holdfast.routing.dispatching.sparing import spare
from holdfast.routing.faults import PASSED_OVER, Fault
from holdfast.routing.ledger.amounts import amount_to_reserve
from holdfast.routing.ledger.booking import day_scope
from holdfast.routing.ledger.entries import (
    OK,
    Attempt,
    Cap,
    CapReached,
    RequestEnd,
    RequestStart,
    Reservation,
    Reserve,
)
from holdfast.routing.quality.choices import Step
from holdfast.routing.seam import Price
from holdfast.routing.selection.choosing import Candidate, Plan
from holdfast.routing.selection.conversations import conversation_key

T = TypeVar("T")
_DAY_MS = 86_400_000
"""The extractor alone is served under a name that begins with its provider."""

_PAUSE_MS = 500
_MOST_PAUSE_MS = 5_000
_PRICED = 3
"""How many of the first candidates a reservation pays the dearest of; for a dearer one it is extended."""


class Dispatch:
    """A request. `async with` it, `run` an attempt in it; leaving it logs and settles it once.

    `id` are 32 hexadecimal digits. `plan` is known from the beginning, `served` once somebody
    answered, `attempts` grow with each call.
    """

    def __init__(self, dispatcher: Dispatcher, ask: Ask, request_id: str | None = None) -> None:
        """Plan a request.

        Raises:
            NoProvider: nobody serves the model, or nobody may.
            UsageError: the request names a policy that there is not.
        """
        self.ask = ask
        self.wanted = dispatcher.wanted(ask)
        self.plan: Plan = _led_by(dispatcher.plan(self.wanted), ask.first)
        self.id = request_id or ask.id or str(new_run_id())
        self.attempts: list[Attempt] = []
        self.served: Attempt | None = None
        self.cut_off = False
        self.steps: list[Step] = []
        self._all = dispatcher
        self._begin_ns = dispatcher.clock.monotonic_ns()
        self._held: Reservation | None = None
        self._paid = _dearest(self.plan)
        self._call: Call | None = None

    async def __aenter__(self) -> Self:
        if (ledger := self._all.ledger) is not None:
            start, caps = self._start(), self._caps()
            held = await ledger.reserve(start, self._amount, caps)
            if isinstance(held, CapReached):
                raise _over(held)
            self._held = held
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._call is not None:
            self._call.leave(error)
        if self._held is None or self._all.ledger is None:
            return
        # What was handed to the ledger is booked also if this task is cancelled meanwhile.
        await self._settle(error)

    @property
    def charged_msat(self) -> int | None:
        """What all calls so far were charged, None if that is not known of one of them."""
        return total(attempt.charged_msat for attempt in self.attempts)

    def turn_to(self, model: str) -> None:
        """Ask another model from now on, because what the last one answered will not do.

        Raises:
            NoProvider: nobody serves it, or nobody may.
        """
        self.wanted = replace(self.wanted, model=model)
        self.plan = self._all.plan(self.wanted)

    async def run(self, attempt: Callable[[Call], Awaitable[T]]) -> T:
        """Call endpoints in order until an attempt returns.

        `attempt` tells its call how it ended, or hands it over to somebody who does before the request
        is left. There is no pause while another endpoint is free.

        Raises:
            ProviderError: the last failure, or the first that another endpoint would not cure.
        """
        for turn in range(self._all.config.rounds):
            if turn:
                await self._pause(turn)
                self.plan = self._all.plan(self.wanted)
            try:
                return await self._run_round(attempt)
            except ProviderUnavailable:
                if turn + 1 == self._all.config.rounds:
                    raise
        raise AssertionError("there is at least one round")

    async def _run_round(
        self, attempt: Callable[[Call], Awaitable[T]], *, is_late: bool = False
    ) -> T:
        failure: ProviderError | None = None
        for candidate in self.plan.candidates:
            if (call := await self._begin(candidate)) is None:
                continue
            try:
                return await self._try(call, attempt)
            except ProviderError as error:
                if error.fault not in PASSED_OVER:
                    raise
                failure = error
        if failure is not None:
            raise failure
        return await (self._run_early(attempt) if is_late else self._run_late(attempt))

    async def _run_late(self, attempt: Callable[[Call], Awaitable[T]]) -> T:
        """Nobody is free: wait for a probe of somebody else, or probe before the time."""
        self.plan = self._all.plan(self.wanted)
        if any(each.verdict.probing for each in self.plan.waiting):
            await self._all.wait_for_change(self._all.config.wait_seconds)
            self.plan = self._all.plan(self.wanted)
        return await self._run_round(attempt, is_late=True)

    async def _run_early(self, attempt: Callable[[Call], Awaitable[T]]) -> T:
        for candidate in [e for e in self.plan.waiting if e.verdict.may_be_early][:1]:
            if (call := await self._begin(candidate, early=True)) is not None:
                return await self._try(call, attempt)
        raise self._nobody_free()

    async def _try(self, call: Call, attempt: Callable[[Call], Awaitable[T]]) -> T:
        try:
            return await attempt(call)
        except ProviderError as error:
            call.fail(error)
            raise
        except BaseException as error:
            call.leave(error)
            raise

    async def _begin(self, candidate: Candidate, *, early: bool = False) -> Call | None:
        board, place = self._all.board, candidate.endpoint.place
        permit = board.acquire(place, early=early)
        if permit is None:
            return None
        if self._needs_more(candidate):
            try:
                await self._hold_more(candidate.endpoint.price)
            except BaseException:
                permit.release()
                raise
        span = self._all.tracer.span(
            f"{place.provider}/{place.model}",
            kind="model",
            provider=place.provider,
            model=place.model,
        )
        self._call = Call(
            candidate,
            self._all.providers[place.provider],
            permit,
            span,
            clock=self._all.clock,
            max_tokens=self._held.max_tokens if self._held else self.ask.max_tokens,
            ended=self._note,
        )
        return self._call

    def _note(self, call: Call, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        self._call = None
        if attempt.outcome != OK:
            return
        self.served = attempt
        place, usage = call.candidate.endpoint.place, attempt.usage
        now_ms = self._all.clock.now_ms()
        key = conversation_key(self.ask.account.owner, self.ask.opening)
        self._all.conversations.note(key, place, usage.input_tokens, now_ms)
        first = attempt.latency_ms if attempt.first_byte_ms is None else attempt.first_byte_ms
        self._all.speeds.note(place, first, attempt.latency_ms, usage.output_tokens)

    def _amount(self, room: int | None) -> Reserve:
        sample = self._all.sample(self.ask, self.wanted.policy.name)
        size, most = self.ask.size, self.ask.max_tokens
        price = _times(self._paid, self.ask.answers)
        return amount_to_reserve(price, size, most, sample, room=room)

    def _needs_more(self, candidate: Candidate) -> bool:
        """Tell whether what is held does not pay for a call: the last was charged, or it is dearer."""
        if self._held is None:
            return False
        charged = bool(self.attempts) and self.attempts[-1].charged_msat != 0
        return charged or not _covers(self._paid, candidate.endpoint.price)

    async def _hold_more(self, price: Price | None) -> None:
        """Hold the money of another call at a price, besides what is held."""
        if self._held is None or self._all.ledger is None:
            return
        self._paid = price
        more = await self._all.ledger.extend(self._held, self._amount, self._caps())
        if isinstance(more, CapReached):
            raise _over(more, own_msat=self._held.amount_msat or 0)
        if isinstance(more, Reservation):
            self._held = more

    def _start(self) -> RequestStart:
        ask, account, choice = self.ask, self.ask.account, self.wanted.choice
        return RequestStart(
            id=self.id,
            at_ms=self._all.clock.now_ms(),
            model=ask.model,
            owner=account.owner,
            run_id=account.run_id,
            key_id=account.key_id,
            policy=self.wanted.policy.name,
            request_class=ask.request_class,
            stream=ask.stream,
            tier=choice.complexity.tier if choice else ask.tier or "",
            complexity=choice.complexity.score if choice else None,
            provider=_first(self.plan),
        )

    def _caps(self) -> list[Cap]:
        caps = list(self._all.caps(self.ask.account))
        if (day := self._all.config.budgets.day_msat) is not None:
            today = day_scope(self._all.clock.now_ms() // _DAY_MS)
            caps.append(Cap(scope=today, limit_msat=day))
        if self.ask.purpose is None:
            return caps
        return spare(caps, self._all.config.quality, self._all.clock.now_ms() // _DAY_MS)

    async def _settle(self, error: BaseException | None) -> None:
        ledger, held = self._all.ledger, self._held
        assert ledger is not None
        assert held is not None
        if not self.attempts:
            await ledger.release(held, _reason(error))
            return
        served = self.served
        end = RequestEnd(
            outcome=OK if served is not None and error is None else _outcome(error, self.attempts),
            attempts=tuple(self.attempts),
            provider=served.provider if served else "",
            model=served.model if served else "",
            latency_ms=(self._all.clock.monotonic_ns() - self._begin_ns) // 1_000_000,
            message=_reason(error) or self.ask.note,
            cut_off=self.cut_off,
        )
        await ledger.settle_soon(held, end)

    async def _pause(self, turn: int) -> None:
        soonest = self._all.board.soonest(e.endpoint.place for e in self.plan.candidates) or 0
        pause = min(max(_PAUSE_MS * 2 ** (turn - 1), soonest), _MOST_PAUSE_MS)
        await self._all.clock.sleep(pause / 1000)

    def _nobody_free(self) -> ProviderUnavailable:
        waiting = self.plan.waiting
        soonest = self._all.board.soonest(each.endpoint.place for each in waiting)
        told = "; ".join(
            f"{each.endpoint.provider}/{each.endpoint.model}: {each.verdict.reason}"
            for each in waiting[:5]
        )
        return ProviderUnavailable(
            f"every endpoint that serves {self.ask.model!r} is left alone for now: {told}",
            hint="try again later; `holdfast route providers` shows the state of each",
            retry_after=None if soonest is None else max(soonest, 1000) / 1000,
        )


def _first(plan: Plan) -> str:
    """Return the provider that is asked first."""
    return next((e.endpoint.provider for e in (*plan.candidates, *plan.waiting)), "")


def _led_by(plan: Plan, first: tuple[str, str] | None) -> Plan:
    if first is None:
        return plan
    led = sorted(plan.candidates, key=lambda each: each.endpoint.place[::2] != first)
    return plan._replace(candidates=led)


def _times(price: Price | None, answers: int) -> Price | None:
    """Return a price by which a token out costs what a token of each answer does."""
    if price is None or answers == 1:
        return price
    inward, outward = dearest_rates(price)
    return Price(
        input_msat_per_million=inward,
        output_msat_per_million=outward * answers,
        request_msat=price.request_msat,
    )


def _dearest(plan: Plan) -> Price | None:
    """Return a price that none of the endpoints likely to be asked is above; None if one is unknown."""
    prices = [each.endpoint.price for each in (*plan.candidates, *plan.waiting)[:_PRICED]]
    known = [each for each in prices if each is not None]
    if len(known) < len(prices) or not known:
        return None
    if len(known) == 1:
        return known[0]
    rates = [dearest_rates(each) for each in known]
    return Price(
        input_msat_per_million=max(inward for inward, _ in rates),
        output_msat_per_million=max(outward for _, outward in rates),
        request_msat=max(each.request_msat for each in known),
    )


def _covers(paid: Price | None, price: Price | None) -> bool:
    """Tell whether money for a call at one price is enough for a call at another.

    Under a cap nothing is ever held at an unknown price, so that one covers all others.
    """
    if paid is None or paid is price:
        return True
    if price is None or price.request_msat > paid.request_msat:
        return False
    inward, outward = dearest_rates(price)
    most_inward, most_outward = dearest_rates(paid)
    return inward <= most_inward and outward <= most_outward


def _outcome(error: BaseException | None, attempts: list[Attempt]) -> str:
    if isinstance(error, asyncio.CancelledError):
        return str(Fault.LEFT)
    return attempts[-1].outcome if attempts[-1].outcome != OK else "error"


def _reason(error: BaseException | None) -> str:
    if isinstance(error, HoldfastError):
        return error.message[:300]
    return "" if error is None else type(error).__name__


def _over(reached: CapReached, own_msat: int = 0) -> BudgetExceeded:
    error = BudgetExceeded(reached.message, hint="raise the budget, or ask for less")
    error.others_hold = reached.reserved_msat > own_msat
    return error
