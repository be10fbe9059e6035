"""Requests on their way: order, what is passed over, pauses, money, and those who leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from anyio import fail_after

from holdfast.errors import BudgetExceeded, ProviderError, ProviderRefused, ProviderUnavailable
from holdfast.routing.breakers.board import Board, Place
from holdfast.routing.breakers.rules import Rules
from holdfast.routing.config import Budgets, RoutingConfig
from holdfast.routing.faults import PASSED_OVER, Fault
from holdfast.routing.ledger.entries import Scope
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.ledger.reports import Logged
from holdfast.routing.router import Router
from holdfast.routing.seam import Account, ModelReply, Price, Usage
from holdfast.testing.clock import ManualClock
from holdfast.testing.providers import Scripted, ScriptedProvider
from tests.routing.kit import Spans, ask

SAT = 1000
ANN = Account(owner="ann")
TOTAL = Scope("total")


def failing(fault: Fault | str, **fields) -> ProviderError:
    return ProviderUnavailable(f"it is {fault}", fault=str(fault), **fields)


def scripted(name: str, *script: Scripted, cost: int = SAT, **fields) -> ScriptedProvider:
    """Return a provider that costs so many msat a request."""
    price = Price(input_msat_per_million=0, output_msat_per_million=0, request_msat=cost)
    return ScriptedProvider(
        script or [f"from {name}"] * 9, name=name, models=("m",), price=price, **fields
    )


class Kit:
    """A router over scripted providers with a clock that stands still, and its ledger."""

    def __init__(
        self, ledger: Ledger, providers: Sequence[ScriptedProvider], config: RoutingConfig
    ) -> None:
        self.clock = ManualClock()
        self.ledger = ledger
        self.board = Board(config.breaker, now_ms=self.clock.now_ms, jitter=lambda: 0.0)
        self.router = Router(
            providers,
            Spans().tracer,
            config=config,
            clock=self.clock,
            board=self.board,
            ledger=ledger,
        )

    async def ask(self, **fields) -> ModelReply:
        return await self.router.complete(ask(**fields), account=ANN)

    async def logged(self) -> list[Logged]:
        rows = (await self.ledger.requests()).requests
        found = [await self.ledger.request(row.id) for row in rows]
        return [each for each in found if each is not None]

    async def only(self) -> Logged:
        rows = await self.logged()
        assert len(rows) == 1
        return rows[0]

    def force(self, *names: str) -> None:
        for name in names:
            self.board.force(Place(name, "", "m"), "open")

    def waiting(self) -> asyncio.Event:
        """Return what is set as soon as a request waits for the probe of another one."""
        seen, next_change = asyncio.Event(), self.board.next_change

        def look() -> asyncio.Future[None]:
            seen.set()
            return next_change()

        self.board.next_change = look
        return seen

    def is_probing(self, name: str) -> bool:
        return self.board.judge(Place(name, "", "m")).probing


@pytest.fixture
def opened(tmp_path: Path):
    @asynccontextmanager
    async def open_kit(*providers: ScriptedProvider, **config) -> AsyncIterator[Kit]:
        rules = Rules(failures=config.pop("failures", 3), jitter=0.0)
        async with await Ledger.open(tmp_path / "ledger.db") as ledger:
            kit = Kit(ledger, providers, RoutingConfig(breaker=rules, **config))
            with fail_after(60):
                yield kit
            assert await ledger.check() == []

    return open_kit


@pytest.mark.parametrize("fault", sorted(PASSED_OVER))
async def test_a_fault_of_the_endpoint_is_passed_over_without_a_pause(opened, fault: Fault):
    first, second = scripted("first", failing(fault)), scripted("second", cost=2 * SAT)
    async with opened(first, second) as kit:
        assert (await kit.ask()).provider == "second"
        assert kit.clock.sleeping == 0
        row = await kit.only()
        assert [each.outcome for each in row.attempts] == [fault, "ok"]
        assert (row.outcome, row.provider, row.retries) == ("ok", "second", 1)


@pytest.mark.parametrize("fault", [Fault.CALLER, Fault.LEFT])
async def test_what_would_fail_anywhere_is_told_at_once(opened, fault: Fault):
    other = scripted("other", cost=2 * SAT)
    async with opened(scripted("first", failing(fault)), other) as kit:
        with pytest.raises(ProviderError, match="it is"):
            await kit.ask()
        assert not other.requests
        assert (await kit.only()).outcome == fault


async def test_endpoints_are_asked_in_the_order_of_their_cost_and_logged_in_one_row(opened):
    names = {"c": 3, "a": 1, "d": 4, "b": 2}
    providers = [
        scripted(name, failing(Fault.CONNECT), cost=cost * SAT) for name, cost in names.items()
    ]
    async with opened(*providers) as kit:
        with pytest.raises(ProviderUnavailable, match="it is connect"):
            await kit.ask()
        row = await kit.only()
        assert [each.provider for each in row.attempts] == ["a", "b", "c", "d"]
        assert (row.state, row.outcome, row.debit_msat) == ("settled", "connect", 0)
        assert (row.provider, row.held_msat) == ("", 0)


async def test_only_between_two_rounds_is_there_a_pause(opened):
    first = scripted("first", failing(Fault.SERVER), "now")
    second = scripted("second", failing(Fault.SERVER), cost=2 * SAT)
    async with opened(first, second, rounds=2) as kit:
        task = asyncio.create_task(kit.ask())
        await kit.clock.until_sleeping()
        assert (len(first.requests), len(second.requests)) == (1, 1)
        kit.clock.advance(0.5)
        assert (await task).text == "now"
        row = await kit.only()
        assert [each.provider for each in row.attempts] == ["first", "second", "first"]


async def test_a_pause_lasts_until_somebody_may_be_asked_again(opened):
    busy = scripted("busy", failing(Fault.RATE_LIMIT, retry_after=3), "now")
    async with opened(busy, rounds=2) as kit:
        task = asyncio.create_task(kit.ask())
        await kit.clock.until_sleeping()
        kit.clock.advance(2.999)
        assert kit.clock.sleeping == 1
        kit.clock.advance(0.001)
        assert (await task).text == "now"


async def test_nobody_pauses_for_more_than_five_seconds(opened):
    busy = scripted("busy", failing(Fault.RATE_LIMIT, retry_after=60), "never")
    async with opened(busy, rounds=2) as kit:
        task = asyncio.create_task(kit.ask())
        await kit.clock.until_sleeping()
        kit.clock.advance(5)
        with pytest.raises(ProviderUnavailable, match="left alone for now") as caught:
            await task
        assert caught.value.retry_after == 55


async def test_with_one_round_nobody_pauses(opened):
    async with opened(scripted("only", failing(Fault.SERVER), "never")) as kit:
        with pytest.raises(ProviderUnavailable):
            await kit.ask()
        assert kit.clock.sleeping == 0


async def test_a_second_round_does_not_repeat_a_refusal(opened):
    provider = scripted("only", ProviderRefused("no"), "never")
    async with opened(provider, rounds=3) as kit:
        with pytest.raises(ProviderRefused):
            await kit.ask()
        assert len(provider.requests) == 1


async def test_an_endpoint_whose_circuit_is_open_is_not_asked(opened):
    broken = scripted("broken", *[failing(Fault.SERVER)] * 3)
    async with opened(broken, scripted("well", cost=2 * SAT)) as kit:
        for _ in range(5):
            assert (await kit.ask()).provider == "well"
        assert len(broken.requests) == 3


async def test_when_all_are_open_one_is_probed_early_and_the_others_are_told_when_to_come(opened):
    provider = scripted("only", failing(Fault.SERVER), "well again")
    async with opened(provider, failures=1) as kit:
        with pytest.raises(ProviderUnavailable):
            await kit.ask()
        hold = asyncio.Event()
        provider._hold = hold
        provider.started.clear()
        kit.clock.advance(1)
        probe = asyncio.create_task(kit.ask())
        await provider.started.wait()
        assert kit.is_probing("only")
        hold.set()
        assert (await probe).text == "well again"


async def test_a_second_early_probe_within_a_second_is_refused_with_the_time_to_wait(opened):
    provider = scripted("only", *[failing(Fault.SERVER)] * 3)
    async with opened(provider, failures=1) as kit:
        for _ in range(2):
            with pytest.raises(ProviderUnavailable, match="it is server"):
                await kit.ask()
        with pytest.raises(ProviderUnavailable, match="left alone for now") as caught:
            await kit.ask()
        assert caught.value.retry_after == 30
        assert len(provider.requests) == 2
        assert "holdfast route providers" in caught.value.hint


async def test_the_soonest_is_probed_early_though_another_is_forced_or_paused(opened):
    paused = scripted("paused", failing(Fault.RATE_LIMIT, retry_after=5))
    broken = scripted("broken", failing(Fault.SERVER), "well again", cost=2 * SAT)
    async with opened(paused, broken, failures=1) as kit:
        with pytest.raises(ProviderUnavailable):
            await kit.ask()
        assert (await kit.ask()).text == "well again"
        assert len(paused.requests) == 1


async def test_a_request_that_waited_for_a_probe_asks_whoever_is_free_then(opened):
    hold = asyncio.Event()
    provider = scripted("only", failing(Fault.SERVER), "first", "second")
    async with opened(provider, failures=1) as kit:
        with pytest.raises(ProviderUnavailable):
            await kit.ask()
        kit.clock.advance(30)
        provider._hold = hold
        provider.started.clear()
        probe = asyncio.create_task(kit.ask())
        await provider.started.wait()
        waiting, other = kit.waiting(), asyncio.create_task(kit.ask())
        await waiting.wait()
        assert len(provider.requests) == 2
        hold.set()
        assert (await probe).text == "first"
        assert (await other).text == "second"


async def test_after_waiting_as_before_it_a_failure_is_passed_over(opened):
    down, hold = failing(Fault.SERVER), asyncio.Event()
    first = scripted("first", down, "a probe", down)
    second = scripted("second", down, "another probe", "here", cost=2 * SAT)
    async with opened(first, second, failures=1) as kit:
        with pytest.raises(ProviderUnavailable):
            await kit.ask()
        kit.clock.advance(30)
        for provider in (first, second):
            provider._hold = hold
            provider.started.clear()
        probes = [asyncio.create_task(kit.ask()) for _ in range(2)]
        await first.started.wait()
        await second.started.wait()
        waiting, late = kit.waiting(), asyncio.create_task(kit.ask())
        await waiting.wait()
        hold.set()
        assert sorted([(await each).text for each in probes]) == ["a probe", "another probe"]
        assert (await late).text == "here"
        assert len(first.requests) == 3


async def test_whoever_leaves_gives_the_permit_back_and_is_logged_as_having_left(opened):
    hold = asyncio.Event()
    provider = scripted("only", failing(Fault.SERVER), "again")
    async with opened(provider, failures=1) as kit:
        with pytest.raises(ProviderUnavailable):
            await kit.ask()
        kit.clock.advance(30)
        provider._hold = hold
        provider.started.clear()
        task = asyncio.create_task(kit.ask())
        await provider.started.wait()
        assert kit.is_probing("only")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert provider.cancelled == 1
        assert not kit.is_probing("only")
        left = [row for row in await kit.logged() if row.outcome == "left"]
        assert [each.outcome for each in left[0].attempts] == ["left"]
        hold.set()
        assert (await kit.ask()).text == "again"


async def test_what_left_in_the_middle_may_have_cost_and_its_hold_is_kept(opened):
    provider = scripted("only", hold=asyncio.Event())
    async with opened(provider) as kit:
        task = asyncio.create_task(kit.ask())
        await provider.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        row = await kit.only()
        assert (row.charged_msat, row.debit_msat, row.held_msat) == (None, 0, SAT)
        assert (await kit.ledger.spent(TOTAL)).unknown_msat == SAT


MAYBE_CHARGED = [Fault.FIRST_BYTE, Fault.IDLE, Fault.TRUNCATED, Fault.MALFORMED, Fault.IN_BAND]


@pytest.mark.parametrize("fault", MAYBE_CHARGED)
async def test_what_is_free_charges_nothing_however_it_fails(opened, fault: Fault):
    async with opened(scripted("free", failing(fault), cost=0), scripted("other")) as kit:
        await kit.ask()
        assert [each.charged_msat for each in (await kit.only()).attempts] == [0, SAT]


@pytest.mark.parametrize("fault", MAYBE_CHARGED)
async def test_a_failure_that_may_have_been_charged_holds_the_money_of_another_call(
    opened, fault: Fault
):
    first, second = scripted("first", failing(fault)), scripted("second", cost=2 * SAT)
    async with opened(first, second) as kit:
        await kit.ask()
        row = await kit.only()
        assert [each.charged_msat for each in row.attempts] == [None, 2 * SAT]
        assert (row.debit_msat, row.charged_msat) == (2 * SAT, None)
        assert row.held_msat >= SAT
        assert row.reserved_msat == 4 * SAT


async def test_no_money_for_another_call_ends_the_request_before_it_is_made(opened):
    first, second = scripted("first", failing(Fault.IDLE)), scripted("second", cost=2 * SAT)
    async with opened(first, second, failures=1, budgets=Budgets(total_msat=3 * SAT)) as kit:
        kit.board.acquire(Place("second", "", "m")).fail(Fault.SERVER)
        kit.clock.advance(30)  # it would be a probe
        with pytest.raises(BudgetExceeded):
            await kit.ask()
        assert not second.requests
        assert not kit.is_probing("second")
        assert (await kit.ledger.spent(TOTAL)).held_msat <= 3 * SAT


async def test_a_budget_refuses_before_anything_is_sent(opened):
    provider = scripted("only")
    async with opened(provider, budgets=Budgets(owner_msat=3 * SAT)) as kit:
        for _ in range(3):
            await kit.ask()
        with pytest.raises(BudgetExceeded, match="budget of 3 sat for owner 'ann'"):
            await kit.ask()
        assert len(provider.requests) == 3
        await kit.ledger.sweep()  # what is written comes in order
        assert [each.outcome for each in await kit.logged()].count("refused") == 1


async def test_requests_at_once_never_exceed_a_budget(opened):
    provider = scripted("only", *["text"] * 100)
    async with opened(provider, budgets=Budgets(total_msat=10 * SAT)) as kit:
        told = await asyncio.gather(*(kit.ask() for _ in range(50)), return_exceptions=True)
        assert sum(isinstance(each, ModelReply) for each in told) == 10
        assert sum(isinstance(each, BudgetExceeded) for each in told) == 40
        assert (await kit.ledger.spent(TOTAL)).settled_msat == 10 * SAT


async def test_what_a_provider_says_it_charged_is_what_is_debited(opened):
    reply = ModelReply(
        text="x",
        value="x",
        provider="only",
        model="m",
        usage=Usage(input_tokens=1, output_tokens=1),
        cost_msat=77,
    )
    async with opened(scripted("only", reply)) as kit:
        await kit.ask()
        row = await kit.only()
        assert (row.debit_msat, row.quoted_msat) == (77, SAT)


async def test_a_request_that_was_never_sent_is_released(opened):
    provider = scripted("only")
    async with opened(provider) as kit:
        kit.force("only")
        with pytest.raises(ProviderUnavailable, match="forced"):
            await kit.ask()
        row = await kit.only()
        assert (row.state, row.held_msat, row.attempts) == ("released", 0, ())
        assert not provider.requests
