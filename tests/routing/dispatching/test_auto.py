"""`model: auto`: the choice is made by the look of the request, the policy and what was shown."""

from __future__ import annotations

import pytest

from holdfast.errors import NoProvider
from holdfast.routing.config import RoutingConfig
from holdfast.routing.dispatching.asking import Ask, ask_of
from holdfast.routing.dispatching.explaining import explain
from holdfast.routing.providers.extract import ExtractProvider
from holdfast.routing.router import Router
from holdfast.routing.seam import Account, Price, Traits
from holdfast.routing.selection.policies import Policy
from holdfast.testing.providers import ScriptedProvider
from tests.routing.kit import Spans, ask

EASY = "What is the capital of France, please tell me."
HARD = (
    "Analyse step by step why this fails, prove it, compare the trade-offs and design a better "
    "architecture.\n"
    + "```python\nfor x in range(9): print(x)\n```\n" * 4
    + "src/a.py src/b.py c/d.rs "
) * 12


def provider(name: str, tier: str, sats: int | None, model: str) -> ScriptedProvider:
    price = None
    if sats is not None:
        price = Price(input_msat_per_million=sats * 1000, output_msat_per_million=sats * 1000)
    return ScriptedProvider(
        lambda _: name, name=name, models=(model,), price=price, traits=Traits(tier=tier)
    )


def router(*policies: Policy, extra: tuple[ScriptedProvider, ...] = ()) -> Router:
    providers = [provider("small", "local", 1, "tiny"), provider("big", "frontier", 900, "huge")]
    return Router(
        [*providers, *extra, ExtractProvider()],
        Spans().tracer,
        config=RoutingConfig(policies=policies),
    )


async def test_an_easy_request_goes_to_the_cheapest_and_a_hard_one_to_the_able():
    assert (await router().complete(ask(EASY, model="auto"))).model == "tiny"
    assert (await router().complete(ask(HARD, model="auto"))).model == "huge"


async def test_a_quality_that_nobody_has_shown_is_served_by_the_reference():
    floor = Policy(name="good", min_quality=0.97, keywords=("capital",))
    assert (await router(floor).complete(ask(EASY, model="auto"))).model == "huge"


async def test_the_reference_of_a_policy_serves_where_nobody_has_shown_its_quality():
    modest = Policy(name="good", min_quality=0.97, reference="tiny", keywords=("capital",))
    assert (await router(modest).complete(ask(EASY, model="auto"))).model == "tiny"


def test_of_very_many_models_the_dearest_are_weighed_as_well():
    many = tuple(provider(f"p{n}", "standard", 2, f"m{n}") for n in range(80))
    floor = Policy(name="good", min_quality=0.97, keywords=("capital",))
    asked = ask_of(ask(EASY, model="auto"), Account())
    told = explain(router(floor, extra=many).dispatcher, asked)
    assert told["model"] == "huge"
    assert len(told["choice"]["considered"]) == 64


async def test_a_policy_limits_what_auto_may_choose():
    cheap = Policy(name="cheap", models=("tiny",), keywords=("Analyse",))
    assert (await router(cheap).complete(ask(HARD, model="auto"))).model == "tiny"
    nothing = Policy(name="none", models=("other",), keywords=("capital",))
    with pytest.raises(NoProvider):
        await router(nothing).complete(ask(EASY, model="auto"))


def test_the_highest_tier_that_may_serve_holds_for_the_model_that_is_chosen_as_well():
    providers = [provider("near", "local", 10, "m"), provider("far", "frontier", 1, "m")]
    dispatcher = Router(providers, Spans().tracer).dispatcher
    for model in ("m", "auto"):
        wanted = dispatcher.wanted(Ask(model=model, size=10, tier="local", text=EASY))
        served = [each.endpoint.provider for each in dispatcher.plan(wanted).candidates]
        assert served == ["near"]


async def test_the_extractor_is_chosen_only_where_there_is_no_model():
    only = Router([ExtractProvider()], Spans().tracer)
    assert (await only.complete(ask(EASY, model="auto"))).extractive
    assert not (await router().complete(ask(EASY, model="auto"))).extractive


def test_every_model_that_was_not_chosen_has_a_reason():
    told = explain(router().dispatcher, ask_of(ask(EASY, model="auto"), Account()))
    choice = told["choice"]
    assert isinstance(choice, dict)
    assert choice["model"] == told["model"] == "tiny"
    reasons = {each["model"]: each["rejected"] for each in choice["considered"]}
    assert reasons.keys() == {"tiny", "huge"}
    assert reasons["tiny"] is None
    assert reasons["huge"]


def test_a_model_without_a_price_is_not_taken_for_a_cheap_one():
    unpriced = provider("free", "frontier", None, "gift")
    told = explain(router(extra=(unpriced,)).dispatcher, ask_of(ask(HARD, model="auto"), Account()))
    assert told["model"] != "gift"


def test_a_model_without_a_price_has_no_cost_in_the_choice():
    unpriced = router(extra=(provider("dim", "local", None, "dark"),)).dispatcher
    choice = unpriced.wanted(Ask(model="auto", size=10, text=EASY)).choice
    assert choice is not None
    told = {each.model: each.expected_cost_msat is None for each in choice.considered}
    assert told == {"tiny": False, "huge": False, "dark": True}
