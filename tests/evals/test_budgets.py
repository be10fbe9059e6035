"""A suite spends no more than it may, however many calls are made at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import BudgetExceeded, ProviderUnavailable
from holdfast.evals.purse import BudgetedProvider, Purse
from holdfast.routing.seam import Message, ModelReply, ModelRequest, OnText, Price, Usage
from holdfast.testing.providers import ScriptedProvider

A_MSAT_A_TOKEN = Price(input_msat_per_million=1_000_000, output_msat_per_million=1_000_000)
FREE = Price(input_msat_per_million=0, output_msat_per_million=0)
QUESTION = ModelRequest(
    model="scripted-model", messages=(Message(role="user", content="kelp"),), max_tokens=100
)


class Slow(ScriptedProvider):
    """Lets others go on while it answers."""

    async def complete(self, request: ModelRequest, on_text: OnText | None) -> ModelReply:
        reply = await super().complete(request, on_text)
        for _ in range(len(self.requests) % 3):
            await asyncio.sleep(0)
        return reply


def budgeted(
    purse: Purse, *, price: Price | None = A_MSAT_A_TOKEN, usage: Usage | None = None
) -> tuple[BudgetedProvider, ScriptedProvider]:
    inner = Slow(lambda _: "sea", price=price, usage=usage)
    return BudgetedProvider(inner, purse), inner


async def ask(provider: BudgetedProvider, times: int) -> Sequence[ModelReply | BaseException]:
    calls = (provider.complete(QUESTION, None) for _ in range(times))
    return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 30)


@given(st.integers(0, 300), st.integers(1, 60), st.integers(1, 30))
def test_calls_at_once_go_beyond_a_budget_by_one_of_them_at_most(
    allowed: int, cost: int, times: int
) -> None:
    purse = Purse(allowed)
    provider, inner = budgeted(purse, usage=Usage(input_tokens=cost, output_tokens=0))
    replies = asyncio.run(ask(provider, times))
    made = len(inner.requests)
    assert purse.spent == made * cost
    assert made == min(times, -(-allowed // cost))
    assert sum(isinstance(each, BudgetExceeded) for each in replies) == times - made


def test_a_budget_that_is_used_up_to_the_last_msat_is_spent() -> None:
    purse = Purse(20)
    provider, _ = budgeted(purse, usage=Usage(input_tokens=10, output_tokens=0))
    first, second, third = asyncio.run(ask(provider, 3))
    assert isinstance(first, ModelReply)
    assert isinstance(second, ModelReply)
    assert "the budget of 0.02 sat is spent" in str(third)


def test_what_the_provider_did_not_count_costs_the_most_that_it_may_have() -> None:
    purse = Purse(1)
    provider, _ = budgeted(purse, usage=Usage())
    asyncio.run(ask(provider, 1))
    assert purse.spent == len("kelp") + 100


def test_only_what_is_free_is_asked_without_a_budget() -> None:
    for price, made in ((FREE, 2), (A_MSAT_A_TOKEN, 0), (None, 0)):
        provider, inner = budgeted(Purse(0), price=price)
        replies = asyncio.run(ask(provider, 2))
        assert len(inner.requests) == made
        assert sum(isinstance(each, BudgetExceeded) for each in replies) == 2 - made
    assert "the price of 'scripted-model' is unknown" in str(replies[0])


def test_a_call_that_failed_holds_nothing() -> None:
    purse = Purse(50)
    inner = ScriptedProvider([ProviderUnavailable("down"), "sea"], price=A_MSAT_A_TOKEN)
    provider = BudgetedProvider(inner, purse)
    with pytest.raises(ProviderUnavailable):
        asyncio.run(provider.complete(QUESTION, None))
    assert isinstance(asyncio.run(ask(provider, 1))[0], ModelReply)
