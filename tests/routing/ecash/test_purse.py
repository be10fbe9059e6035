"""What is known of a balance between two words of its node: what is held counts, and what was charged."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.errors import NodeFailed, ProviderRefused, ProviderUnavailable, UsageError
from holdfast.routing.config import Prepaid
from holdfast.routing.ecash.nodes import Balance
from holdfast.routing.ecash.purse import Purse

FEE = 2_000
"""What the mint may take when the node redeems a top-up: it is missing as well."""


class Account:
    """A balance that says what it has, and notes what was asked for."""

    def __init__(self, msat: int = 0, key: str = "sk-1") -> None:
        self.msat, self.key = msat, key
        self.looks = 0
        self.missing: list[int] = []
        self.error: Exception | None = None

    async def look(self) -> Balance:
        self.looks += 1
        if self.error is not None:
            raise self.error
        return Balance(key=self.key, msat=self.msat)

    async def top_up(self, *, missing_msat: int) -> Balance:
        self.missing.append(missing_msat)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.key = self.key or "sk-1"
        self.msat += max(50_000, missing_msat)
        return Balance(key=self.key, msat=self.msat)

    async def overhead_msat(self) -> int:
        return 7


def purse_of(account: Account) -> Purse:
    opened: Any = account
    return Purse("desk", Prepaid(topup_sat=50, limit_sat=200), lambda: opened)


async def pay(purse: Purse, most: int, charged: int | None) -> None:
    async with purse.paying(most) as payment:
        payment.charged_msat = charged


async def test_what_requests_on_their_way_may_cost_is_held():
    account = Account(50_000)
    purse = purse_of(account)
    async with purse.paying(30_000) as first, purse.paying(30_000) as second:
        first.charged_msat, second.charged_msat = 10, 10
    assert account.missing == [10_000 + FEE]
    await pay(purse, 90_000, 10)  # what is given back is there again
    assert account.missing == [10_000 + FEE]


async def test_what_was_charged_is_gone_without_asking_the_node_again():
    account = Account(50_000)
    purse = purse_of(account)
    await pay(purse, 10_000, 8_000)
    await pay(purse, 42_000, 0)
    assert (account.looks, account.missing) == (1, [])
    await pay(purse, 43_000, 0)
    assert (account.looks, account.missing) == (1, [1_000 + FEE])


async def test_after_a_request_of_unknown_cost_the_node_is_asked():
    account = Account(50_000)
    purse = purse_of(account)
    await pay(purse, 10_000, None)
    account.msat = 41_000
    await pay(purse, 41_000, 0)
    assert (account.looks, account.missing) == (2, [])


async def test_requests_that_wait_for_one_top_up_look_again_before_they_make_another():
    account = Account(0, key="")
    purse = purse_of(account)
    await asyncio.gather(*(pay(purse, 1_000, 10) for _ in range(20)))
    assert len(account.missing) == 1
    assert purse.overhead_msat == 7


async def test_a_node_that_says_that_it_is_not_enough_gets_the_usual_and_then_up_to_its_limit():
    account = Account(0)
    purse = purse_of(account)
    await purse.refill(0)
    await purse.refill(1)
    assert account.missing == [0, 200_000]


@pytest.mark.parametrize("has", [5_000, 0])
async def test_a_request_that_is_covered_in_part_is_made_all_the_same(has):
    """The node knows best what it asks for; with nothing there it need not be asked."""
    account = Account(has)
    purse = purse_of(account)
    await pay(purse, 0, 0)
    account.error = UsageError("the limit does not allow it")
    if has:
        await pay(purse, 50_000, 0)
        return
    with pytest.raises(ProviderRefused, match="cannot be paid: the limit does not allow it"):
        await pay(purse, 50_000, 0)


@pytest.mark.parametrize(
    ("status", "kind", "fault"),
    [
        (0, ProviderUnavailable, "server"),
        (500, ProviderUnavailable, "server"),
        (401, ProviderRefused, "auth"),
    ],
)
async def test_a_node_that_fails_is_unavailable_and_one_that_forgot_the_key_refuses(
    status, kind, fault
):
    account = Account(5_000)
    account.error = NodeFailed("it is ill", status=status, hint="wait")
    with pytest.raises(kind, match="it is ill") as told:
        await pay(purse_of(account), 1_000, 0)
    assert (told.value.fault, told.value.hint) == (fault, "wait")
