"""What providers say they charged is believed, compared with their price, and held against them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import NoProvider
from holdfast.routing.prices.charges import HEADER, Charges
from holdfast.testing.clock import ManualClock
from holdfast.testing.upstream import Act, Reply, Upstream
from holdfast.tracing.billing.money import Exchange
from tests.proxy.serving import provider, proxy_of, request
from tests.routing.kit import ask

LIMIT = 5

CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"
MONEY = Exchange(
    "EUR", {date(2020, 1, 1): Decimal(90_000)}, {"USD": {date(2020, 1, 1): Decimal(100_000)}}
)
DEAR = 5_000
SAID = {
    "the header of Routstr": Reply(headers={HEADER: str(DEAR)}),
    "usage of Routstr": Reply(cost={"total_msats": DEAR, "total_usd": 1}),
    "usage in dollars": Reply(cost={"total_usd": 0.005}),
    "usage of OpenRouter": Reply(cost=0.005),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.dictionaries(
        st.sampled_from(["cost", "total_msats", "total_usd"]), inner, max_size=3
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("said", "way"),
    [
        (said, way)
        for said in SAID
        for way in ("whole", "streamed", "embedded")
        # The head of a stream is sent before anybody knows the cost.
        if (said, way) != ("the header of Routstr", "streamed")
    ],
)
async def test_who_says_that_it_charged_more_than_its_price_gets_no_more_requests(
    tmp_path, said, way
):
    path = EMBED if way == "embedded" else CHAT
    body = {"model": "m", "input": "a"} if path == EMBED else request(path, stream=way != "whole")
    async with Upstream(default=Act(reply=SAID[said])) as dear, Upstream() as fair:
        configs = [provider("dear", dear, 1), provider("fair", fair, 2)]
        async with proxy_of(tmp_path, configs, money=MONEY) as proxy:
            for _ in range(LIMIT + 1):
                assert (await proxy.ask(path, body)).status == 200
            rows = await proxy.settled(LIMIT + 1)
            assert [row.provider for row in rows] == ["dear"] * LIMIT + ["fair"]
            assert {row.charged_msat for row in rows[:LIMIT]} == {DEAR}
            assert all(row.quoted_msat < 20 for row in rows[:LIMIT])
            async with proxy.client.get(proxy.address + "/providers") as answer:
                cheater, other = (await answer.json())["providers"][:2]
            assert cheater["distrusted"].startswith("it charged more than it quoted in 5 of its")
            assert other["distrusted"] is None
            assert await proxy.ledger.check() == []


@asynccontextmanager
async def charging(folder, cost: object):
    """Give a proxy in front of one provider that says it charged `cost`."""
    async with (
        Upstream(default=Act(reply=Reply(cost=cost))) as upstream,
        proxy_of(folder, [provider("p", upstream, 1)]) as proxy,
    ):
        yield proxy


async def test_workflows_find_out_as_well(tmp_path):
    async with charging(tmp_path, {"total_msats": DEAR}) as proxy:
        for _ in range(LIMIT):
            assert (await proxy.router.complete(ask())).cost_msat == DEAR
        with pytest.raises(NoProvider, match="it charged more than it quoted"):
            await proxy.router.complete(ask())


async def test_dollars_without_a_rate_say_nothing_and_the_price_counts(tmp_path):
    async with charging(tmp_path, 0.005) as proxy:
        seen = await proxy.ask(CHAT, request(CHAT, stream=False))
        assert seen.headers["x-holdfast-cost-msat"] == "15"


async def test_less_than_the_price_is_debited_and_held_against_nobody(tmp_path):
    async with charging(tmp_path, {"total_msats": 3}) as proxy:
        for _ in range(LIMIT + 1):
            await proxy.ask(CHAT, request(CHAT, stream=True))
        assert {row.charged_msat for row in await proxy.settled(LIMIT + 1)} == {3}
        assert not proxy.ledger.distrusted


@given(JSON)
def test_whatever_an_answer_says_is_an_amount_or_nothing(usage):
    charges = Charges(ManualClock(1_795_694_400_000), MONEY)
    for told in (charges.in_usage(usage), charges.in_headers({HEADER: str(usage)})):
        assert told is None or 0 <= told < 2**53
