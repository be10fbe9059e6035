"""One request on its way: it holds money, asks endpoints in order, and settles what they charged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from holdfast.errors import BudgetExceeded, HoldfastError, ProviderError, ProviderUnavailable
from holdfast.frozen import maker, replace
from holdfast.ids import new_run_id
from holdfast.routing.cost import total
from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.dispatching.calls import Call
from holdfast.routing.dispatching.dispatcher import Dispatcher
from holdfast.routing.dispatching.holding import covers, dearest, start_of, times
from holdfast.routing.dispatching.sparing import spare
from holdfast.routing.faults import PASSED_OVER, Fault
from holdfast.routing.ledger.amounts import amount_to_reserve, likely_tokens
from holdfast.routing.ledger.booking import day_scope
from holdfast.routing.ledger.entries import (
    CANCELLED,
    OK,
    REFUSED,
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

T = TypeVar("T")
_end = maker(RequestEnd)
_DAY_MS = 86_400_000

_PAUSE_MS = 500
_MOST_PAUSE_MS = 5_000


class Dispatch:
    """A request. `async with` it, `run` an attempt in it; leaving it logs and settles it once.

    `id` are 32 hexadecimal digits. `plan` is known from the beginning, `served` once somebody
    answered, `attempts` grow with each call. `left_out` are fields that the answer was got without.
    """

    def __init__(self, dispatcher: Dispatcher, ask: Ask, request_id: str | None = None) -> None:
        """Plan a request.

        Raises:
            NoProvider: nobody serves the model, or nobody may.
            UsageError: the request names a policy that there is not.
        """
        self.ask = ask
        self.id = request_id or ask.id or str(new_run_id())
        try:
            self.wanted = dispatcher.wanted(ask)
            self.plan: Plan = _led_by(dispatcher.plan(self.wanted), ask.first)
        except HoldfastError as error:
            dispatcher.refuse(start_of(self.id, ask, dispatcher.clock.now_ms()), error)
            raise
        self.attempts: list[Attempt] = []
        self.served: Attempt | None = None
        self.cut_off = False
        self.left_out: tuple[str, ...] = ()
        self.steps: list[Step] = []
        self._all = dispatcher
        self._begin_ns = dispatcher.clock.monotonic_ns()
        self._held: Reservation | None = None
        self._paid = dearest(self.plan)
        self._call: Call | None = None
        self._is_capped = False

    async def __aenter__(self) -> Self:
        if (ledger := self._all.ledger) is not None:
            start, caps = self._start(), self._caps()
            self._is_capped = bool(caps)
            held = await ledger.reserve(start, self._amount, caps)
            if isinstance(held, CapReached):
                error = self._over(held)
                self._all.refuse(start, error)
                raise error
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
            if self._is_passed_over(candidate):
                continue
            try:
                call = await self._begin(candidate)
            except BudgetExceeded as error:
                raise error if failure is None else _besides(error, failure) from failure
            if call is None:
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
        key = self.wanted.conversation
        self._all.conversations.note(key, place, usage.input_tokens, now_ms)
        first = attempt.latency_ms if attempt.first_byte_ms is None else attempt.first_byte_ms
        self._all.speeds.note(place, first, attempt.latency_ms, usage.output_tokens)

    def _amount(self, room: int | None) -> Reserve:
        sample = self._all.sample(self.ask, self.wanted.policy.name)
        size, most = self.ask.size, self.ask.max_tokens
        price = times(self._paid, self.ask.answers)
        return amount_to_reserve(price, size, most, sample, room=room, untold=self._untold())

    def _untold(self) -> int:
        """Return the most tokens out of a request that names no limit: the model's own, if that is known."""
        usual = self._all.config.untold_max_tokens
        if not self.plan.candidates:
            return usual
        most = self._all.most_output(self.plan.candidates[0].endpoint)
        return min(usual, most) if most else usual

    def _needs_more(self, candidate: Candidate) -> bool:
        """Tell whether what is held does not pay for a call: the last was charged, or it is dearer."""
        if self._held is None:
            return False
        charged = bool(self.attempts) and self.attempts[-1].charged_msat != 0
        return charged or not covers(self._paid, candidate.endpoint.price)

    def _is_passed_over(self, candidate: Candidate) -> bool:
        """Tell whether an endpoint must not be asked, as nobody could say what a budget pays for."""
        return self._is_capped and self._paid is not None and candidate.endpoint.price is None

    async def _hold_more(self, price: Price | None) -> None:
        """Hold the money of another call at a price, besides what is held."""
        if self._held is None or self._all.ledger is None:
            return
        self._paid = price
        more = await self._all.ledger.extend(self._held, self._amount, self._caps())
        if isinstance(more, CapReached):
            raise self._over(more, own_msat=self._held.amount_msat or 0)
        if isinstance(more, Reservation):
            self._held = more

    def _start(self) -> RequestStart:
        return start_of(self.id, self.ask, self._all.clock.now_ms(), self.wanted, _first(self.plan))

    def _caps(self) -> list[Cap]:
        caps = self._all.caps(self.ask.account)
        if (day := self._all.config.budgets.day_msat) is not None:
            today = day_scope(self._all.clock.now_ms() // _DAY_MS)
            caps.append(Cap(scope=today, limit_msat=day))
        if self.ask.purpose is None:
            return caps
        return spare(caps, self._all.config.quality, self._all.clock.now_ms() // _DAY_MS)

    def _over(self, reached: CapReached, own_msat: int = 0) -> BudgetExceeded:
        hint = "raise the budget, or ask for less"
        if reached.wanted_msat is not None and self.ask.max_tokens is None:
            sample = self._all.sample(self.ask, self.wanted.policy.name)
            tokens = likely_tokens(None, sample, untold=self._untold())
            hint = (
                f"raise the budget, or set max_tokens: without it money for {tokens} tokens out is "
                "held, as answers to such requests may be that long"
            )
        error = BudgetExceeded(reached.message, hint=hint)
        error.others_hold = reached.reserved_msat > own_msat
        return error

    async def _settle(self, error: BaseException | None) -> None:
        ledger, held = self._all.ledger, self._held
        assert ledger is not None
        assert held is not None
        if not self.attempts:
            refused = isinstance(error, HoldfastError)
            await ledger.release(held, REFUSED if refused else CANCELLED, _reason(error))
            return
        served = self.served
        end = _end(
            outcome=OK if served is not None and error is None else _outcome(error, self.attempts),
            attempts=tuple(self.attempts),
            provider=served.provider if served else "",
            model=served.model if served else "",
            tier=self._all.providers[served.provider].traits.tier if served else "",
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
        limited = bool(waiting) and all(e.verdict.reason == Fault.RATE_LIMIT for e in waiting)
        return ProviderUnavailable(
            f"every endpoint that serves {self.ask.model!r} is left alone for now: {told}",
            hint="try again later; `holdfast route providers` shows the state of each",
            retry_after=None if soonest is None else max(soonest, 1000) / 1000,
            fault=Fault.RATE_LIMIT if limited else Fault.SERVER,
        )


def _first(plan: Plan) -> str:
    """Return the provider that is asked first."""
    first = plan.candidates or plan.waiting
    return first[0].endpoint.provider if first else ""


def _led_by(plan: Plan, first: tuple[str, str] | None) -> Plan:
    if first is None:
        return plan
    led = sorted(plan.candidates, key=lambda each: each.endpoint.place[::2] != first)
    return plan._replace(candidates=led)


def _outcome(error: BaseException | None, attempts: list[Attempt]) -> str:
    if isinstance(error, asyncio.CancelledError):
        return str(Fault.LEFT)
    return attempts[-1].outcome if attempts[-1].outcome != OK else "error"


def _reason(error: BaseException | None) -> str:
    if isinstance(error, HoldfastError):
        return error.message[:300]
    return "" if error is None else type(error).__name__


def _besides(over: BudgetExceeded, failure: ProviderError) -> BudgetExceeded:
    """Return that the money does not reach for another call, with why one is needed."""
    told = f"{failure.message}; no other endpoint was asked: {over.message}"
    error = BudgetExceeded(told, hint=over.hint)
    error.others_hold = over.others_hold
    return error
