"""Conversations stay where their cache is, where that is worth it: a session replayed turn by turn."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.routing.breakers.board import Board, Place
from holdfast.routing.breakers.rules import Rules
from holdfast.routing.cost import cost_msat
from holdfast.routing.seam import Price, Traits, Usage
from holdfast.routing.selection.choosing import ANY, Chooser, Wanted
from holdfast.routing.selection.conversations import Conversations, conversation_key
from holdfast.routing.selection.endpoints import Catalogue, Endpoint, Offer
from holdfast.routing.selection.expected import Tokens, expect
from holdfast.routing.selection.speed import Speeds
from holdfast.testing.clock import ManualClock

TTL_MS = 300_000
TURNS, GROWTH, ANSWER = 24, 2_000, 300
"""A session of an agent: each turn adds 2,000 tokens and is answered with 300."""
KEY = conversation_key("ann", ["system", "task"])
Prices = Sequence[Price]


def price(inward: int, outward: int, read: int | None = None) -> Price:
    return Price(
        input_msat_per_million=inward * 1000,
        output_msat_per_million=outward * 1000,
        cache_read_msat_per_million=None if read is None else read * 1000,
    )


def catalogue_of(prices: Prices) -> Catalogue:
    return Catalogue(Offer(f"p{n}", Traits(), [("m", each)]) for n, each in enumerate(prices))


class Session:
    """Plays a session and adds up what the endpoints charge, which keep what they read for five minutes."""

    def __init__(self, gap_ms: int = 20_000) -> None:
        self.gap_ms = gap_ms
        self.kept: dict[Place, tuple[int, int]] = {}
        self.conversations = Conversations()
        self.total = 0

    def play(self, quotes: Sequence[Prices], model: str, *, sticks: bool) -> int:
        clock = ManualClock()
        board = Board(Rules(), now_ms=clock.now_ms, jitter=lambda: 0.0)
        for turn, prices in enumerate(quotes):
            now_ms = clock.now_ms()
            tokens = Tokens(GROWTH * (turn + 1), ANSWER)
            wanted = Wanted(model=model, tokens=tokens)
            if sticks:
                cached = self.conversations.cached(KEY, now_ms)
                turns = self.conversations.turns(KEY, now_ms)
                wanted = Wanted(model=model, tokens=tokens, cached=cached, turns=turns)
            plan = Chooser(catalogue_of(prices), board, Speeds()).plan(wanted)
            self.charge(plan.candidates[0].endpoint, tokens, now_ms)
            clock.advance(self.gap_ms / 1000)
        return self.total

    def charge(self, endpoint: Endpoint, tokens: Tokens, now_ms: int) -> None:
        held, until_ms = self.kept.get(endpoint.place, (0, 0))
        usage = Usage(
            input_tokens=tokens.inward,
            output_tokens=tokens.outward,
            cache_read_tokens=held if now_ms < until_ms else 0,
        )
        cost = cost_msat(endpoint.price, usage)
        assert cost is not None
        self.total += cost
        self.kept[endpoint.place] = (tokens.inward, now_ms + TTL_MS)
        self.conversations.note(KEY, endpoint.place, tokens.inward, now_ms)


def quotes_of(prices: Callable[[random.Random], Prices], seed: int) -> list[Prices]:
    chance = random.Random(seed)
    return [prices(chance) for _ in range(TURNS)]


def drifting(chance: random.Random, nodes: int = 8) -> Prices:
    """Nodes whose quotes go up and down by a tenth; what is cached costs a tenth."""
    levels = [round(200 * chance.uniform(0.9, 1.1)) for _ in range(nodes)]
    return [price(each, each * 4, each // 10) for each in levels]


def steady(_: random.Random) -> Prices:
    """The cheapest keeps nothing; two that are dearer do."""
    return [price(100, 400), price(120, 480, 12), price(150, 600, 75)]


def much_dearer(_: random.Random) -> Prices:
    """Who keeps anything costs nearly twice as much at first."""
    return [price(100, 400), price(180, 720, 18)]


def share(prices: Callable[[random.Random], Prices], model: str, seed: int) -> float:
    quotes = quotes_of(prices, seed)
    ours = Session().play(quotes, model, sticks=True)
    return ours / Session().play(quotes, model, sticks=False)


@pytest.mark.parametrize("model", ["m", ANY])
@pytest.mark.parametrize("prices", [drifting, steady, much_dearer])
def test_a_session_costs_at_most_six_tenths_of_the_cheapest_at_each_turn(prices, model: str):
    assert max(share(prices, model, seed) for seed in range(10)) <= 0.6


def test_among_few_nodes_less_is_saved_as_the_cheapest_is_warm_by_chance():
    def few(chance: random.Random) -> Prices:
        return drifting(chance, nodes=3)

    assert max(share(few, "m", seed) for seed in range(10)) <= 0.75


def test_pauses_longer_than_a_cache_lives_make_no_difference():
    quotes = quotes_of(drifting, 1)
    ours = Session(gap_ms=TTL_MS).play(quotes, "m", sticks=True)
    assert ours == Session(gap_ms=TTL_MS).play(quotes, "m", sticks=False)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rates=st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500), st.booleans()), min_size=1, max_size=6),
)  # fmt: skip
def test_a_session_never_costs_twice_as_much_as_the_cheapest_at_each_turn(seed: int, rates):
    prices = [price(i, o, i // 10 if keeps else None) for i, o, keeps in rates]
    quotes = [prices] * random.Random(seed).randint(1, TURNS)
    ours = Session().play(quotes, ANY, sticks=True)
    assert ours <= 2 * Session().play(quotes, ANY, sticks=False)


RATES = st.tuples(*[st.integers(0, 50)] * 3)


@settings(deadline=None)
@given(
    rates=st.lists(RATES, min_size=1, max_size=12),
    turns=st.integers(0, 20),
    inward=st.integers(0, 9000),
)
def test_with_turns_to_come_the_first_is_the_cheapest_over_all_of_them(rates, turns: int, inward):
    catalogue = catalogue_of([price(i, o, min(i, r)) for i, o, r in rates])
    board = Board(Rules(), now_ms=ManualClock().now_ms, jitter=lambda: 0.0)
    tokens = Tokens(inward, 100)

    def weight(endpoint: Endpoint) -> float:
        assert endpoint.rates is not None
        now = expect(endpoint.rates, tokens)
        return now + turns * expect(endpoint.rates, tokens, inward)

    first = Chooser(catalogue, board, Speeds()).plan(Wanted(model=ANY, tokens=tokens, turns=turns))
    assert weight(first.candidates[0].endpoint) == pytest.approx(
        min(map(weight, catalogue.every()))
    )
    assert first.candidates[0].msat == pytest.approx(
        expect(first.candidates[0].endpoint.rates, tokens)
    )


def test_turns_to_come_are_as_many_as_there_were_two_at_most_until_the_cache_is_gone():
    conversations, here = Conversations(), Place("p", "", "m")
    conversations.note(KEY, here, 1023, 0)
    assert conversations.turns(KEY, 1) == 0
    for turn in range(1, 4):
        conversations.note(KEY, here, 2000 * turn, turn)
        assert conversations.turns(KEY, turn) == min(turn, 2)
        assert conversations.cached(KEY, turn) == {here: 2000 * turn}
    assert conversations.turns(KEY, 3 + TTL_MS) == 0
    assert conversations.cached(KEY, 3 + TTL_MS) == {}


def test_the_caches_of_the_last_four_places_are_known():
    conversations = Conversations()
    places = [Place(f"p{number}", "", "m") for number in range(6)]
    for number, place in enumerate(places):
        conversations.note(KEY, place, 2000 + number, number)
    assert conversations.cached(KEY, 9) == {p: 2000 + n for n, p in enumerate(places) if n >= 2}
    assert list(conversations.cached(KEY, TTL_MS + 4)) == places[5:]


def test_conversations_of_two_owners_are_apart():
    assert conversation_key("ann", ["x"]) != conversation_key("bob", ["x"])
    assert conversation_key("ann", ["x", "y"]) != conversation_key("ann", ["x\0y", ""])


def test_equal_prices_of_an_alias_are_no_obstacle():
    offers = [
        Offer(name, Traits(), [("m", None)], serves=lambda model: model == "latest")
        for name in ("one", "two")
    ]
    board = Board(Rules(), now_ms=ManualClock().now_ms, jitter=lambda: 0.0)
    plan = Chooser(Catalogue(offers), board, Speeds()).plan(
        Wanted(model="latest", tokens=Tokens(1, 1))
    )
    assert [each.endpoint.provider for each in plan.candidates] == ["one", "two"]
