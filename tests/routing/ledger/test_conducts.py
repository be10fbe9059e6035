"""Who charges more than he quoted is distrusted, in every process, until somebody resets it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.prices.audit import Conduct
from tests.routing.ledger.kit import end, held

LIMIT, WINDOW = 5, 20

pytestmark = pytest.mark.anyio


async def test_a_provider_that_overcharges_is_distrusted_everywhere_until_it_is_reset(tmp_path):
    path = tmp_path / "ledger.db"
    async with await Ledger.open(path) as ledger, await Ledger.open(path) as other:
        call = replace(end(20_000).attempts[0], quoted_msat=10_000)
        dear = replace(end(), attempts=(call,))
        for number in range(LIMIT):
            settled = await ledger.settle(await held(ledger), dear)
            assert settled.distrusted == (("node",) if number == LIMIT - 1 else ())
        assert (await ledger.settle(await held(ledger), dear)).distrusted == ()  # it is known
        assert "5 of its last 5 charges" in ledger.distrusted["node"]
        await other.sweep()
        assert other.distrusted == ledger.distrusted
        assert await other.trust_again("node") == Conduct()
        assert other.distrusted == {}
        await ledger.settle(await held(ledger), end(500))
        conduct = (await ledger.conducts())["node"]
        assert conduct == Conduct(recent=(False,))
    async with await Ledger.open(path) as again:
        assert (await again.conducts())["node"] == conduct


async def test_a_charge_without_a_quote_says_nothing_of_who_charged_it(ledger):
    call = replace(end(20_000).attempts[0], quoted_msat=None)
    for _ in range(LIMIT):
        await ledger.settle(await held(ledger), replace(end(), attempts=(call,)))
    assert await ledger.conducts() == {}


async def test_who_charges_more_than_he_quoted_is_judged_before_the_next_request(ledger):
    dear = end(30_000)
    dear = replace(dear, attempts=(replace(dear.attempts[0], quoted_msat=10_000),))
    for _ in range(LIMIT):
        await ledger.settle_soon(await held(ledger), dear)
    assert "node" in ledger.distrusted


async def test_fair_charges_push_an_old_one_out_that_was_too_high_and_then_change_nothing(ledger):
    dear = replace(end(), attempts=(replace(end(20_000).attempts[0], quoted_msat=10_000),))
    for told in (dear, *[end(500)] * (WINDOW - 1)):
        await ledger.settle(await held(ledger), told)
    assert (await ledger.conducts())["node"].recent == (True,) + (False,) * (WINDOW - 1)
    for _ in range(2):
        await ledger.settle(await held(ledger), end(500))
        assert (await ledger.conducts())["node"] == Conduct(recent=(False,) * WINDOW)
    await ledger.settle(await held(ledger), dear)
    assert (await ledger.conducts())["node"].recent == (False,) * (WINDOW - 1) + (True,)
