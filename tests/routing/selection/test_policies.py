"""What a policy allows is said of each endpoint by itself, whatever the others are."""

from __future__ import annotations

import pytest

from holdfast.frozen import replace
from holdfast.routing.breakers.board import Board
from holdfast.routing.breakers.rules import Rules
from holdfast.routing.seam import Price, Traits
from holdfast.routing.selection.choosing import Chooser, Wanted
from holdfast.routing.selection.endpoints import Catalogue, Offer, make_endpoint
from holdfast.routing.selection.expected import Tokens
from holdfast.routing.selection.policies import FREE_CHOICE, Policy, find_policy, refusal

PRICE = Price(input_msat_per_million=1000, output_msat_per_million=2000)


def refused(policy: Policy, *, price: Price | None = PRICE, **traits: object) -> str | None:
    offer = Offer("p", Traits(**traits), [])
    return refusal(policy, make_endpoint(offer, "m", price, 0), None)


@pytest.mark.parametrize("tier", ["local", "standard", "frontier"])
@pytest.mark.parametrize("local", [True, False])
def test_data_that_stays_here_goes_by_the_place_and_not_by_the_tier(tier, local):
    told = refused(Policy(name="x", privacy="local"), tier=tier, local=local)
    assert told == (None if local else "policy 'x' keeps data on this machine")


def test_named_providers_only_are_those_that_are_named():
    assert refused(Policy(name="x", privacy="named", providers=("p", "q"))) is None
    assert "the providers q only" in (
        refused(Policy(name="x", privacy="named", providers=("q",))) or ""
    )
    assert "names none" in (refused(Policy(name="x", privacy="named")) or "")


@pytest.mark.parametrize(("cap", "is_allowed"), [(1999, False), (2000, True), (0, False)])
def test_a_cap_on_the_price_of_output_is_met_or_not(cap, is_allowed):
    assert (refused(Policy(name="x", most_output_msat=cap)) is None) is is_allowed
    assert "unknown" in (refused(Policy(name="x", most_output_msat=cap), price=None) or "")


def test_the_first_policy_with_any_of_its_words_is_taken_whatever_their_case():
    one, two = (
        Policy(name="one", keywords=("Salary", "patient")),
        Policy(name="two", keywords=("a",)),
    )
    without = Policy(name="none")
    assert find_policy([without, one, two], "the PATIENT is well") is one
    assert find_policy([without, two, one], "the PATIENT is well") is two
    assert find_policy([without, one], "nothing of that") is FREE_CHOICE


@pytest.mark.parametrize(("cap", "is_allowed"), [(999, False), (1000, True)])
def test_a_cap_on_what_a_request_is_expected_to_cost_is_met_or_not(cap, is_allowed):
    fee = Price(input_msat_per_million=0, output_msat_per_million=0, request_msat=1000)
    offers = [Offer("p", Traits(), [("m", fee), ("unpriced", None)])]
    board = Board(Rules(), now_ms=lambda: 0, jitter=lambda: 0.0)
    chooser = Chooser(Catalogue(offers), board, lambda *_: None)
    wanted = Wanted(model="m", tokens=Tokens(1, 1), policy=Policy(name="x", most_request_msat=cap))
    plan = chooser.plan(wanted)
    assert [each.endpoint.model for each in plan.candidates] == (["m"] if is_allowed else [])
    [rejected] = chooser.plan(replace(wanted, model="unpriced")).rejected
    assert "this price is unknown" in rejected.reason
