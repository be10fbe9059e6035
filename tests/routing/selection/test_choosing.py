"""The choice against brute force, for any catalogue; policies; and a reason for each rejection."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.routing.breakers.board import Board, Place
from holdfast.routing.breakers.rules import Rules
from holdfast.routing.config import RoutingConfig
from holdfast.routing.dispatching.asking import Ask, policy_of
from holdfast.routing.faults import Fault
from holdfast.routing.seam import TIERS, Price, Traits
from holdfast.routing.selection.choosing import ANY, Candidate, Chooser, Plan, Wanted
from holdfast.routing.selection.endpoints import Catalogue, Endpoint, Offer
from holdfast.routing.selection.expected import Tokens, expect
from holdfast.routing.selection.policies import (
    FREE_CHOICE,
    PRIVACIES,
    STRATEGIES,
    Policy,
    find_policy,
)
from holdfast.routing.selection.speed import Speeds
from holdfast.testing.clock import ManualClock

MODELS = ("a", "b", "maker/c")
AMOUNTS = st.integers(0, 50).map(lambda n: n * 1_000_000)
PRICES = AMOUNTS.flatmap(
    lambda inward: st.builds(
        Price,
        input_msat_per_million=st.just(inward),
        output_msat_per_million=AMOUNTS,
        request_msat=st.integers(0, 3000),
        cache_read_msat_per_million=st.sampled_from((None, 0, inward // 10, inward)),
        reasoning_msat_per_million=st.none() | AMOUNTS,
    )
)
TRAITS = st.builds(
    Traits,
    tier=st.sampled_from(TIERS),
    local=st.booleans(),
    key=st.sampled_from(("", "k")),
    overhead_msat=st.integers(0, 500),
)
TOKENS = st.integers(0, 3000).flatmap(
    lambda outward: st.builds(
        Tokens, st.integers(0, 9000), st.just(outward), st.integers(0, outward)
    )
)
POLICIES = st.just(FREE_CHOICE) | st.builds(
    Policy,
    name=st.just("limits"),
    models=st.sampled_from(((), ("a",), ("a", "maker/c"))),
    providers=st.sampled_from(((), ("p0", "p2"))),
    privacy=st.sampled_from(PRIVACIES),
    strategy=st.none() | st.sampled_from(STRATEGIES),
    most_output_msat=st.none() | AMOUNTS,
    most_request_msat=st.none() | st.integers(0, 200_000),
    tier=st.none() | st.sampled_from(TIERS),
)


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    offers = [
        Offer(
            f"p{number}",
            draw(TRAITS),
            [(m, draw(st.none() | PRICES)) for m in draw(st.sets(st.sampled_from(MODELS)))],
        )
        for number in range(draw(st.integers(1, 12)))
    ]
    return Catalogue(offers)


class Kit:
    """A chooser over a catalogue, and what it knows of its endpoints."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.clock = ManualClock()
        self.board = Board(Rules(failures=60), now_ms=self.clock.now_ms, jitter=lambda: 0.0)
        self.speeds = Speeds()
        self.endpoints = list(catalogue.every())
        self.chooser = Chooser(catalogue, self.board, self.speeds)

    def fail(self, place: Place, times: int) -> None:
        for _ in range(times):
            permit = self.board.acquire(place)
            assert permit is not None
            permit.fail(Fault.SERVER)

    def cost(self, endpoint: Endpoint, wanted: Wanted) -> float:
        """Return the expected cost, said in another way than the code says it."""
        if endpoint.price is None:
            return inf
        tokens, price = wanted.tokens, endpoint.price
        held = min(wanted.cached.get(endpoint.place, 0), tokens.inward)
        read = price.cache_read_msat_per_million
        thinking = price.reasoning_msat_per_million
        read = price.input_msat_per_million if read is None else read
        thinking = price.output_msat_per_million if thinking is None else thinking
        fee = price.request_msat + endpoint.traits.overhead_msat
        inward = ((tokens.inward - held) * price.input_msat_per_million + held * read) / 1e6
        outward = (tokens.outward - tokens.reasoning) * price.output_msat_per_million
        outward = (outward + tokens.reasoning * thinking) / 1e6
        circuit = self.board.circuit(endpoint.place)
        failing = circuit.history.bit_count() / max(circuit.seen, 8)
        return inward + outward + fee + failing / (1 - min(failing, 0.9)) * (inward + fee)

    def free(self, endpoint: Endpoint) -> bool:
        return self.board.judge(endpoint.place).ready


@st.composite
def kits(draw: st.DrawFn) -> Kit:
    kit = Kit(draw(catalogues()))
    assume(kit.endpoints)
    chosen = st.sampled_from(kit.endpoints)
    for endpoint in draw(st.lists(chosen, max_size=3)):
        kit.fail(endpoint.place, draw(st.integers(1, 8)))
    for endpoint in draw(st.lists(chosen, max_size=4)):
        kit.board.force(endpoint.place, "open")
    return kit


@st.composite
def wishes(draw: st.DrawFn, kit: Kit, model: str, policy: Policy = FREE_CHOICE) -> Wanted:
    some = st.sampled_from([each.place for each in kit.endpoints])
    return Wanted(
        model=model,
        tokens=draw(TOKENS),
        policy=policy,
        cached=draw(st.dictionaries(some, st.integers(0, 9000), max_size=2)),
    )


def names(plan: Plan) -> list[str]:
    return [each.endpoint.provider for each in plan.candidates]


def assert_cheapest(kit: Kit, wanted: Wanted, plan: Plan, among: list[Endpoint]) -> None:
    costs = [kit.cost(each, wanted) for each in among if kit.free(each)]
    assert bool(costs) == bool(plan.candidates)
    if costs:
        assert kit.cost(plan.candidates[0].endpoint, wanted) == pytest.approx(min(costs))
    ordered = [each.cost for each in plan.candidates]
    assert ordered == sorted(ordered)


@settings(deadline=None)
@given(kit=kits(), data=st.data(), model=st.sampled_from(MODELS))
def test_the_first_to_be_asked_is_the_cheapest_of_those_that_serve_a_model(
    kit: Kit, data: st.DataObject, model: str
):
    wanted = data.draw(wishes(kit, model))
    among = [each for each in kit.endpoints if each.model == model]
    plan = kit.chooser.plan(wanted)
    assert_cheapest(kit, wanted, plan, among)
    assert len(plan.candidates) + len(plan.waiting) == len(among)


@settings(deadline=None)
@given(kit=kits(), data=st.data())
def test_for_any_model_it_is_the_cheapest_of_all_though_not_all_are_weighed(
    kit: Kit, data: st.DataObject
):
    wanted = data.draw(wishes(kit, ANY))
    assert_cheapest(kit, wanted, kit.chooser.plan(wanted), kit.endpoints)


@settings(deadline=None)
@given(kit=kits(), data=st.data(), policy=POLICIES, tier=st.none() | st.sampled_from(TIERS))
def test_each_endpoint_is_a_candidate_or_waits_or_is_rejected_with_a_reason(
    kit: Kit, data: st.DataObject, policy: Policy, tier
):
    wanted = data.draw(wishes(kit, ANY, policy))
    plan = kit.chooser.plan(Wanted(**_members(wanted) | {"tier": tier}), explain=True)
    named = [each.endpoint.place for each in (*plan.candidates, *plan.waiting, *plan.rejected)]
    assert sorted(named) == sorted(each.place for each in kit.endpoints)
    assert all(each.reason for each in plan.rejected)
    assert all(each.verdict.reason for each in plan.waiting)
    assert [each.verdict.again_ms for each in plan.waiting] == sorted(
        each.verdict.again_ms for each in plan.waiting
    )
    for each in (*plan.candidates, *plan.waiting):
        assert is_allowed(policy, tier, each)


@settings(deadline=None)
@given(kit=kits(), data=st.data(), policy=POLICIES)
def test_a_policy_chooses_the_same_whether_or_not_it_is_explained(
    kit: Kit, data: st.DataObject, policy: Policy
):
    assume(policy.strategy != "round_robin")
    wanted = data.draw(wishes(kit, ANY, policy))
    plain, told = kit.chooser.plan(wanted), kit.chooser.plan(wanted, explain=True)
    assert bool(plain.candidates) == bool(told.candidates)
    if plain.candidates:
        first, best = plain.candidates[0], told.candidates[0]
        if policy.strategy in (None, "cheapest"):
            assert first.cost == pytest.approx(best.cost)
        else:
            assert first == best


def _members(wanted: Wanted) -> dict:
    return {name: getattr(wanted, name) for name in ("model", "tokens", "policy", "cached")}


def is_allowed(policy: Policy, tier, candidate: Candidate) -> bool:
    endpoint, price = candidate.endpoint, candidate.endpoint.price
    out, most = policy.most_output_msat, policy.most_request_msat
    return all(
        (
            not policy.models or endpoint.model in policy.models,
            not policy.providers or endpoint.provider in policy.providers,
            policy.privacy != "local" or endpoint.traits.local,
            policy.privacy != "named" or endpoint.provider in policy.providers,
            out is None or (price is not None and price.output_msat_per_million <= out),
            most is None or candidate.cost <= most,
            *(
                TIERS.index(endpoint.traits.tier) <= TIERS.index(each)
                for each in (policy.tier, tier)
                if each is not None
            ),
        )
    )


@given(price=PRICES, tokens=TOKENS, cached=st.integers(0, 9000), failing=st.floats(0, 1))
def test_the_parts_that_people_are_shown_add_up(price, tokens, cached, failing):
    catalogue = Catalogue([Offer("p", Traits(), [("m", price)])])
    kit = Kit(catalogue)
    endpoint = kit.endpoints[0]
    wanted = Wanted(model="m", tokens=tokens, cached={endpoint.place: cached})
    parts = kit.chooser.parts(endpoint, wanted)
    assert parts is not None
    assert endpoint.rates is not None
    assert parts.msat == pytest.approx(expect(endpoint.rates, tokens, cached), abs=1e-6)
    assert parts.retries == pytest.approx(0, abs=1e-6)
    assert expect(endpoint.rates, tokens, cached, failing) >= parts.msat - 1e-6


def three(strategy, **fields) -> tuple[Kit, Wanted]:
    def offer(name: str, sats: int) -> Offer:
        price = Price(input_msat_per_million=sats * 10**6, output_msat_per_million=sats * 10**6)
        return Offer(name, Traits(), [("m", price)])

    kit = Kit(Catalogue([offer("cheap", 1), offer("middle", 2), offer("dear", 9)]))
    return kit, Wanted(model="m", tokens=Tokens(1000, 100), strategy=strategy, **fields)


def note_speeds(kit: Kit, **milliseconds: int) -> None:
    for endpoint in kit.endpoints:
        total = milliseconds[endpoint.provider]
        kit.speeds.note(endpoint.place, total // 2, total, 100)


def test_the_fastest_is_asked_first_by_what_was_measured():
    kit, wanted = three("fastest")
    note_speeds(kit, cheap=900, middle=500, dear=100)
    assert names(kit.chooser.plan(wanted)) == ["dear", "middle", "cheap"]


def test_who_was_never_asked_counts_as_fast_and_the_cheaper_one_comes_first():
    kit, wanted = three("fastest")
    assert names(kit.chooser.plan(wanted)) == ["cheap", "middle", "dear"]


def test_balance_weighs_money_and_time_alike():
    kit, wanted = three("balanced")
    note_speeds(kit, cheap=1000, middle=200, dear=100)
    assert names(kit.chooser.plan(wanted)) == ["middle", "dear", "cheap"]


def test_in_round_robin_each_is_first_in_its_turn():
    kit, wanted = three("round_robin")
    firsts = [names(kit.chooser.plan(wanted))[0] for _ in range(6)]
    assert firsts[:3] == firsts[3:]
    assert sorted(firsts[:3]) == ["cheap", "dear", "middle"]


@pytest.mark.parametrize("model", ["m", ANY])
def test_the_strategy_of_a_policy_goes_before_that_of_the_request(model: str):
    kit, wanted = three("cheapest", policy=Policy(name="quick", strategy="fastest"))
    note_speeds(kit, cheap=900, middle=500, dear=100)
    wanted = Wanted(model=model, tokens=wanted.tokens, policy=wanted.policy)
    assert names(kit.chooser.plan(wanted))[0] == "dear"


def test_a_provider_that_is_named_is_the_only_one():
    kit, _ = three("cheapest")
    plan = kit.chooser.plan(Wanted(model="dear/m", tokens=Tokens(1, 1)))
    assert names(plan) == ["dear"]


def test_a_model_whose_name_has_a_slash_is_found_with_and_without_its_provider():
    catalogue = Catalogue([Offer("hub", Traits(), [("maker/c", None)])])
    for name in ("maker/c", "hub/maker/c"):
        assert [each.place for each in catalogue.named(name)] == [Place("hub", "", "maker/c")]
    assert not catalogue.named("maker/d")


def test_a_policy_is_found_by_its_name_or_by_a_word_of_the_last_message():
    quick, deep = (
        Policy(name="quick", keywords=("Summary",)),
        Policy(name="deep", keywords=("prove",)),
    )
    config = RoutingConfig(policies=(quick, deep))
    assert policy_of(Ask(model="m", size=1, policy="deep", last="a summary"), config) is deep
    assert policy_of(Ask(model="m", size=1, last="a SUMMARY, please"), config) is quick
    assert policy_of(Ask(model="m", size=1, last="hello"), config) is FREE_CHOICE
    assert find_policy((), "prove") is FREE_CHOICE


def test_an_unknown_policy_is_the_mistake_of_the_caller_and_says_which_there_are():
    config = RoutingConfig(policies=(Policy(name="quick"),))
    with pytest.raises(UsageError, match="no routing policy 'qick'") as caught:
        policy_of(Ask(model="m", size=1, policy="qick"), config)
    assert "'quick'" in caught.value.hint


def test_a_cache_counts_also_where_nothing_else_tells_endpoints_apart():
    kept = Price(
        input_msat_per_million=3 * 10**6, output_msat_per_million=0, cache_read_msat_per_million=0
    )
    plain = Price(input_msat_per_million=2 * 10**6, output_msat_per_million=0)
    kit = Kit(
        Catalogue(
            [Offer("kept", Traits(), [("m", kept)]), Offer("plain", Traits(), [("m", plain)])]
        )
    )
    tokens = Tokens(2000, 10)
    assert names(kit.chooser.plan(Wanted(model="m", tokens=tokens))) == ["plain", "kept"]
    held = Wanted(model="m", tokens=tokens, cached={kit.endpoints[0].place: 2000})
    assert names(kit.chooser.plan(held)) == ["kept", "plain"]
