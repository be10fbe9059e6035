"""A hard cap holds, whatever models answer and however many ask at once."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.routing.cost import most_msat
from holdfast.routing.ledger.amounts import amount_to_reserve
from holdfast.routing.ledger.entries import CapReached, Reservation
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.ledger.lengths import Sample
from holdfast.routing.seam import Price
from tests.routing.ledger.kit import TOTAL, cap, end, start

UNTOLD_OUTPUT = 16_384

RATE = st.integers(0, 10**8)
PRICES = st.builds(
    Price,
    input_msat_per_million=RATE,
    output_msat_per_million=RATE,
    request_msat=st.integers(0, 5000),
    cache_write_msat_per_million=st.none() | RATE,
    reasoning_msat_per_million=st.none() | RATE,
)
TOKENS = st.integers(0, 200_000)
LIMITS = st.none() | st.integers(1, 200_000)
SAMPLES = st.builds(
    Sample,
    lengths=st.lists(TOKENS, min_size=1, max_size=20).map(lambda each: tuple(sorted(each))),
    source=st.just("request"),
)


@given(PRICES, TOKENS, LIMITS, SAMPLES, st.floats(0, 1), st.integers(-(10**6), 10**9))
def test_what_is_held_under_a_cap_pays_for_every_token_that_is_allowed(
    price, sent, limit, sample, part, room
):
    reserve = amount_to_reserve(price, sent, limit, sample, part, room)
    assert reserve.max_tokens is not None
    assert most_msat(price, sent, reserve.max_tokens) <= reserve.amount_msat
    assert limit is None or reserve.max_tokens <= limit
    likely = min(sample.quantile(part), limit or UNTOLD_OUTPUT)
    assert reserve.max_tokens >= likely


@given(PRICES, TOKENS, LIMITS, SAMPLES)
def test_without_a_cap_the_limit_stays_as_it_was(price, sent, limit, sample):
    reserve = amount_to_reserve(price, sent, limit, sample)
    assert reserve.max_tokens == limit
    assert amount_to_reserve(None, sent, limit, sample).amount_msat is None


def test_ample_room_trims_nothing_and_scarce_room_holds_the_likely_length():
    price = Price(input_msat_per_million=0, output_msat_per_million=1_000_000)
    sample = Sample(lengths=tuple(range(1, 101)), source="request")
    rule = partial(amount_to_reserve, price, 0, 8000, sample, 0.95)
    assert (rule(100_000).amount_msat, rule(100_000).max_tokens) == (8000, 8000)
    assert (rule(8000).amount_msat, rule(8000).max_tokens) == (1000, 1000)
    assert (rule(95).amount_msat, rule(95).max_tokens) == (95, 95)


@pytest.mark.parametrize(
    ("source", "limit"), [("request", 190), ("model", 190), ("all", 9000), ("default", 9000)]
)
def test_who_names_no_limit_gets_twice_what_is_usual_where_the_like_is_known(source, limit):
    price = Price(input_msat_per_million=0, output_msat_per_million=1_000_000)
    sample = Sample(lengths=tuple(range(1, 101)), source=source)
    reserve = amount_to_reserve(price, 0, None, sample, room=10**9, untold=9000)
    assert (reserve.amount_msat, reserve.max_tokens) == (limit, limit)


@settings(max_examples=15, deadline=None)
@given(PRICES, st.integers(0, 3000), LIMITS, SAMPLES, st.integers(0, 10**7))
@pytest.mark.promise("hard-cap-holds")
def test_two_hundred_requests_that_all_run_into_their_limits_never_exceed_a_cap(
    price, sent, limit, sample, allowed
):
    async def ask(ledger: Ledger) -> None:
        rule = partial(amount_to_reserve, price, sent, limit, sample, 0.95)
        held = await ledger.reserve(start(), rule, [cap(allowed)])
        if isinstance(held, CapReached):
            return
        await asyncio.sleep(0)
        await ledger.settle(held, end(most_msat(price, sent, held.max_tokens or 0)))

    async def run(path: Path) -> None:
        async with await Ledger.open(path) as ledger:
            await asyncio.gather(*(ask(ledger) for _ in range(200)))
            spent = await ledger.spent(TOTAL)
            assert spent.held_msat == spent.settled_msat <= allowed

    with TemporaryDirectory() as folder:
        anyio.run(run, Path(folder) / "ledger.db")


@pytest.mark.anyio
@pytest.mark.promise("hard-cap-holds")
async def test_two_ledgers_of_one_file_share_a_cap(tmp_path):
    path = tmp_path / "ledger.db"
    async with await Ledger.open(path) as one, await Ledger.open(path) as two:
        asked = [ledger.reserve(start(), 7, [cap(500)]) for ledger in (one, two) * 100]
        got = await asyncio.gather(*asked)
        assert sum(isinstance(each, Reservation) for each in got) == 500 // 7
