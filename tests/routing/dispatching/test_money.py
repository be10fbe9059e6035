"""What requests hold while one endpoint after another fails them."""

from __future__ import annotations

import asyncio
import random

import pytest

from holdfast.errors import BudgetExceeded, NoProvider, ProviderUnavailable, UsageError
from holdfast.frozen import replace
from holdfast.routing.breakers.board import Place
from holdfast.routing.cost import most_msat
from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.dispatching.request import Dispatch
from holdfast.routing.faults import Fault
from holdfast.routing.ledger.entries import Scope
from holdfast.routing.seam import Usage
from tests.routing.dispatching.kit import leading, price

TOTAL = Scope("total")


class Costly:
    """Endpoints that charge each call all that it may cost, also when it fails; `seed` picks who fails."""

    def __init__(self, ask: Ask, seed: int, failing: float) -> None:
        self.ask = ask
        self.spent = 0
        self.calls = 0
        self._chance = random.Random(seed)
        self._failing = failing

    async def __call__(self, call) -> None:
        await asyncio.sleep(0)
        self.calls += 1
        rates = call.candidate.endpoint.price
        most = most_msat(rates, self.ask.size, call.max_tokens)
        if self._chance.random() < self._failing:
            fault = self._chance.choice((Fault.TRUNCATED, Fault.SERVER, Fault.IDLE))
            if fault is not Fault.SERVER:
                self.spent += most
            raise ProviderUnavailable("it broke", fault=fault)
        self.spent += most
        usage = Usage(input_tokens=self.ask.size, output_tokens=call.max_tokens)
        call.succeed(usage, charged_msat=most)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("failing", [1.0, 0.7])
async def test_requests_that_fail_over_at_once_never_spend_more_than_a_hard_cap(
    tmp_path, seed, failing
):
    ask = Ask(model="m", size=100, max_tokens=500)
    cap = 40 * most_msat(price(1), 100, 500)
    prices = (price(1), price(2, cache_read_msat_per_million=9_000_000), price(3), price(20))
    async with leading(tmp_path, cap, *prices) as dispatcher:
        costly, held = Costly(ask, seed, failing), []

        async def one() -> str:
            try:
                async with Dispatch(dispatcher, ask) as dispatch:
                    await dispatch.run(costly)
            except (BudgetExceeded, ProviderUnavailable) as error:
                return type(error).__name__
            finally:
                held.append((await dispatcher.ledger.spent(TOTAL)).held_msat)
            return "served"

        outcomes = await asyncio.gather(*(one() for _ in range(200)))
        assert costly.calls > 0
        assert "BudgetExceeded" in outcomes
        assert costly.spent <= cap
        assert max(held) <= cap
        spent = await dispatcher.ledger.spent(TOTAL)
        assert spent.reserved_msat == 0
        assert spent.held_msat >= costly.spent
        assert await dispatcher.ledger.check() == []


async def test_a_call_after_one_that_was_charged_is_paid_by_money_of_its_own(tmp_path):
    ask = Ask(model="m", size=100, max_tokens=10)
    most = most_msat(price(1), 100, 10)
    async with leading(tmp_path, 2 * most - 1, price(1), price(1)) as dispatcher:

        async def charged_and_of_no_use(call) -> None:
            call.succeed(Usage(input_tokens=100, output_tokens=10))
            raise ProviderUnavailable("its answer was of no use", fault=Fault.MALFORMED)

        with pytest.raises(BudgetExceeded):
            async with Dispatch(dispatcher, ask) as dispatch:
                await dispatch.run(charged_and_of_no_use)
        assert [each.charged_msat for each in dispatch.attempts] == [most]


async def test_a_call_that_is_dearer_than_what_was_held_for_is_paid_before_it_is_made(tmp_path):
    ask = Ask(model="m", size=100, max_tokens=10)
    cap = most_msat(price(30), 100, 10)
    prices = price(1), price(1), price(1), price(30)
    async with leading(tmp_path, cap, *prices) as dispatcher:
        asked = []

        async def down(call) -> None:
            asked.append(call.candidate.endpoint.provider)
            raise ProviderUnavailable("it is down", fault=Fault.CONNECT)

        with pytest.raises(BudgetExceeded) as refused:
            async with Dispatch(dispatcher, ask) as dispatch:
                await dispatch.run(down)
        assert asked == ["p0", "p1", "p2"]
        assert not refused.value.others_hold


async def test_a_refusal_says_whether_other_requests_hold_money_that_may_come_back(tmp_path):
    ask = Ask(model="m", size=100, max_tokens=10)
    cap = most_msat(price(1), 100, 10)
    async with leading(tmp_path, cap, price(1)) as dispatcher, Dispatch(dispatcher, ask):
        with pytest.raises(BudgetExceeded) as refused:
            await Dispatch(dispatcher, ask).__aenter__()
        assert refused.value.others_hold


@pytest.mark.parametrize("strategy", ["cheapest", "round_robin"])
async def test_an_endpoint_without_a_price_is_passed_over_under_a_budget(tmp_path, strategy):
    ask = Ask(model="m", size=100, max_tokens=10, strategy=strategy)
    cap = 100 * most_msat(price(1), 100, 10)
    async with leading(tmp_path, cap, None, price(1), None) as dispatcher:
        asked = []

        async def down(call) -> None:
            asked.append(call.candidate.endpoint.provider)
            raise ProviderUnavailable("it is down", fault=Fault.CONNECT)

        for _ in range(3):
            with pytest.raises(ProviderUnavailable, match="it is down"):
                async with Dispatch(dispatcher, ask) as dispatch:
                    await dispatch.run(down)
        assert set(asked) == {"p1"}
        with pytest.raises(BudgetExceeded, match="of which nobody knows the price"):
            await Dispatch(dispatcher, replace(ask, model="p0/m")).__aenter__()


async def test_whoever_has_no_money_for_another_call_is_told_why_the_first_was_not_enough(tmp_path):
    ask = Ask(model="m", size=100, max_tokens=10)
    async with leading(tmp_path, most_msat(price(1), 100, 10), price(1), price(1)) as dispatcher:

        async def broke(call) -> None:
            raise ProviderUnavailable("it broke off", fault=Fault.TRUNCATED)

        with pytest.raises(BudgetExceeded) as refused:
            async with Dispatch(dispatcher, ask) as dispatch:
                await dispatch.run(broke)
        assert refused.value.message.startswith(
            "it broke off; no other endpoint was asked: the bud"
        )
        assert isinstance(refused.value.__cause__, ProviderUnavailable)
        (row,) = (await dispatcher.ledger.requests()).requests
        assert row.message == refused.value.message[:300]


async def rows_of(dispatcher) -> list[tuple]:
    await dispatcher.ledger.sweep()  # what is written comes in order
    page = await dispatcher.ledger.requests(order="asc")
    return [(r.outcome, r.asked_model, r.charged_msat, r.message[:22]) for r in page.requests]


async def test_whoever_is_not_let_in_leaves_a_line_with_the_reason(tmp_path):
    async with leading(tmp_path, 10, price(1)) as dispatcher:
        with pytest.raises(NoProvider):
            Dispatch(dispatcher, Ask(model="another", size=1))
        with pytest.raises(UsageError):
            Dispatch(dispatcher, Ask(model="m", size=1, policy="unheard-of"))
        with pytest.raises(BudgetExceeded):
            await Dispatch(dispatcher, Ask(model="m", size=100, max_tokens=10)).__aenter__()
        with pytest.raises(NoProvider):
            Dispatch(dispatcher, Ask(model="x" * 10_000, size=1))
        assert await rows_of(dispatcher) == [
            ("refused", "another", 0, "no configured provider"),
            ("refused", "m", 0, "there is no routing po"),
            ("refused", "m", 0, "the budget of 0.01 sat"),
            ("refused", "x" * 200, 0, "no configured provider"),
        ]


async def test_whoever_finds_all_left_alone_or_leaves_before_a_call_is_told_apart(tmp_path):
    ask = Ask(model="m", size=1, max_tokens=1)
    async with leading(tmp_path, None, price(1)) as dispatcher:
        with pytest.raises(asyncio.CancelledError):
            async with Dispatch(dispatcher, ask):
                raise asyncio.CancelledError
        dispatcher.board.force(Place("p0"), "open")
        with pytest.raises(ProviderUnavailable):
            async with Dispatch(dispatcher, ask) as dispatch:
                await dispatch.run(lambda _call: asyncio.sleep(0))
        assert await rows_of(dispatcher) == [
            ("cancelled", "m", 0, "CancelledError"),
            ("refused", "m", 0, "every endpoint that se"),
        ]


async def teach(dispatcher, tokens: int) -> None:
    async def answer(call) -> None:
        call.succeed(Usage(input_tokens=1, output_tokens=tokens))

    for _ in range(8):
        async with Dispatch(dispatcher, Ask(model="m", size=1, max_tokens=tokens)) as dispatch:
            await dispatch.run(answer)
    await dispatcher.ledger.spent(TOTAL)  # what is booked with the next one is learned then


async def held_tokens(dispatcher, ask: Ask) -> int | None:
    async with Dispatch(dispatcher, ask) as dispatch:
        return dispatch._held.max_tokens


async def test_a_request_without_a_limit_may_have_what_its_model_can_or_twice_what_was_learned(
    tmp_path,
):
    plenty, ask = 10**12, Ask(model="m", size=1)
    async with leading(tmp_path, plenty, price(1)) as dispatcher:
        assert await held_tokens(dispatcher, ask) == 16_384
        dispatcher.providers["p0"].limits = {"m": 4_096}
        assert await held_tokens(dispatcher, ask) == 4_096
        dispatcher.providers["p0"].limits = {"m": 99_999}
        assert await held_tokens(dispatcher, ask) == 16_384
        await teach(dispatcher, 300)
        assert await held_tokens(dispatcher, ask) == 600
        assert await held_tokens(dispatcher, replace(ask, max_tokens=5_000)) == 5_000


async def test_a_refusal_says_how_many_tokens_it_is_about_and_how_to_ask_for_fewer(tmp_path):
    async with leading(tmp_path, 100, price(1)) as dispatcher:
        with pytest.raises(BudgetExceeded) as refused:
            await Dispatch(dispatcher, Ask(model="m", size=1)).__aenter__()
        assert "set max_tokens: without it money for 2000 tokens out is held" in refused.value.hint
        with pytest.raises(BudgetExceeded) as refused:
            await Dispatch(dispatcher, Ask(model="m", size=1, max_tokens=99)).__aenter__()
        assert refused.value.hint == "raise the budget, or ask for less"
        async with Dispatch(dispatcher, Ask(model="m", size=1, max_tokens=20)) as dispatch:
            assert dispatch.plan.candidates


async def test_without_a_budget_calls_of_any_price_are_made_one_after_another(tmp_path):
    ask = Ask(model="m", size=100, max_tokens=10)
    prices = price(1), None, price(2), price(30)
    async with leading(tmp_path, None, *prices) as dispatcher:
        asked = []

        async def down(call) -> None:
            asked.append(call.candidate.endpoint.provider)
            raise ProviderUnavailable("it broke off", fault=Fault.TRUNCATED)

        with pytest.raises(ProviderUnavailable):
            async with Dispatch(dispatcher, ask) as dispatch:
                await dispatch.run(down)
        assert asked == ["p0", "p2", "p3", "p1"]
        assert (await dispatcher.ledger.spent(TOTAL)).unknown_requests == 1
