"""What a configuration cannot do is said before anybody asks, each fault with the setting it hangs on."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from holdfast.routing.config import Budgets, ProviderConfig, RoutingConfig
from holdfast.routing.dispatching.inspecting import Finding, inspect
from holdfast.routing.quality.rules import QualityRules
from holdfast.routing.seam import Price
from holdfast.routing.selection.endpoints import Catalogue, Offer
from holdfast.routing.selection.policies import Policy


def price(sats: int) -> Price:
    return Price(input_msat_per_million=sats * 1000, output_msat_per_million=sats * 1000)


SMALL, LARGE = price(1_000), price(10_000)
DESK = ProviderConfig(name="desk", base_url="http://localhost:1/v1", tier="local")
CLOUD = ProviderConfig(name="cloud", base_url="https://cloud.example/v1", tier="frontier")


def look(
    *policies: Policy,
    model: str | None = None,
    desk: Mapping[str, Price | None] | None = None,
    cloud: Mapping[str, Price | None] | None = None,
    **config: object,
) -> list[Finding]:
    """Inspect two providers, `desk` on this machine and `cloud` elsewhere."""
    models = [
        (DESK, {"tiny": SMALL} if desk is None else desk),
        (CLOUD, {"tiny": LARGE, "huge": LARGE} if cloud is None else cloud),
    ]
    offers = [
        Offer(each.name, each.traits, [*priced.items()], takes_any=not priced)
        for each, priced in models
    ]
    routing = RoutingConfig(policies=policies, **config)  # type: ignore[arg-type]
    return inspect(routing, [DESK, CLOUD], Catalogue(offers), model)


def test_what_works_is_not_complained_about() -> None:
    assert look() == []
    assert look(
        Policy(name="private", privacy="local"),
        Policy(name="cheap", most_output_msat=2_000_000, models=("tiny",)),
        Policy(name="good", min_quality=0.97, reference="huge"),
        Policy(name="two", cascade=("tiny", "huge")),
        model="auto",
        budgets=Budgets(run_msat=10_000, day_msat=100_000),
        quality=QualityRules(judge_model="huge", min_quality=0.9),
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "key", "told"),
    [
        (Policy(name="p", providers=("desc",)), ".providers", "there is no provider 'desc'"),
        (Policy(name="p", models=("hug",)), ".models", "no provider has the model 'hug'"),
        (Policy(name="p", privacy="local", models=("huge",)), "", "cloud/huge policy 'p' keeps"),
        (Policy(name="p", privacy="named"), "", "leaves nobody to ask"),
        (
            Policy(name="p", most_output_msat=1),
            "",
            "leaves nobody to ask: desk/tiny costs more out",
        ),
        (Policy(name="p", most_request_msat=1), "", "costs 0.002 sat for a single token"),
        (Policy(name="p", providers=("cloud",), tier="standard"), "", "is of tier frontier, above"),
        (Policy(name="p", reference="hug"), ".reference", "the reference 'hug' is none of"),
        (
            Policy(name="p", reference="huge", privacy="local"),
            ".reference",
            "does not allow 'huge', which it needs",
        ),
        (
            Policy(name="p", min_quality=0.9, models=("tiny",)),
            ".min_quality",
            "'tiny' is the only model",
        ),
        (
            Policy(name="p", cascade=("tiny", "hug")),
            ".cascade",
            "no provider has the model 'hug'",
        ),
        (
            Policy(name="p", cascade=("tiny", "huge"), models=("tiny",)),
            ".cascade",
            "does not allow 'huge', which it needs",
        ),
    ],
)
def test_an_impossible_policy_is_told(policy: Policy, key: str, told: str) -> None:
    found = look(policy)
    assert [each.key for each in found] == [f"routing.policies.p{key}"]
    assert told in found[0].problem
    assert found[0].hint


def test_names_that_are_nearly_right_are_offered() -> None:
    wrong = Policy(name="p", providers=("desc", "cloud"), models=("hug", "tiny"), reference="tinny")
    assert [each.hint for each in look(wrong)] == [
        "did you mean 'desk'?", "did you mean 'huge'?", "did you mean 'tiny'?",
    ]  # fmt: skip


def test_a_general_reference_must_be_there_and_allowed_where_a_floor_holds() -> None:
    rules = QualityRules(reference="huge", min_quality=0.9)
    private = Policy(name="private", privacy="local")
    [found] = look(private, quality=rules)
    assert found.key == "routing.policies.private"
    assert "does not allow 'huge'" in found.problem
    assert look(private, quality=QualityRules(reference="huge")) == []
    [found] = look(quality=QualityRules(reference="gone"))
    assert found.key == "routing.quality.reference"


def test_a_floor_needs_prices_and_a_choice() -> None:
    floor = QualityRules(min_quality=0.9)
    [found] = look(quality=floor, desk={"tiny": None}, cloud={"huge": None})
    assert "no model has a price" in found.problem
    [found] = look(quality=floor, desk={}, cloud={})
    assert "no model is left to choose from" in found.problem
    [found] = look(quality=QualityRules(judge_model="jugde"))
    assert found.key == "routing.quality.judge_model"


@pytest.mark.parametrize("name", ["run", "owner", "key", "day", "total"])
@pytest.mark.parametrize(("msat", "told"), [(0, "allows nothing"), (2099, "less than the 2.1 sat")])
def test_a_budget_that_lets_no_request_in_is_told(name: str, msat: int, told: str) -> None:
    [found] = look(budgets=Budgets(**{f"{name}_msat": msat}))
    assert found.key == f"routing.budgets.{name}"
    assert told in found.problem
    assert look(budgets=Budgets(**{f"{name}_msat": 2100})) == []


def test_a_small_budget_is_no_fault_where_a_model_is_free() -> None:
    assert look(budgets=Budgets(run_msat=1), desk={"tiny": price(0)}) == []
    [found] = look(quality=QualityRules(check_day_msat=0))
    assert found.key == "routing.quality.check_day"


def test_the_usual_model_must_be_served() -> None:
    [found] = look(model="tinny")
    assert (found.key, found.hint) == ("model", "did you mean 'tiny'?")
    assert look(model="desk/tiny") == []
    [found] = look(model="auto", desk={}, cloud={})
    assert "no model that 'auto' could choose" in found.problem
    assert look(model="whatever", desk={}, cloud={}) == []


def test_a_provider_that_takes_any_name_serves_all_of_them() -> None:
    assert look(Policy(name="p", models=("whatever",)), cloud={}) == []
    assert look(Policy(name="p", privacy="local"), desk={}, cloud={}) == []
    [found] = look(Policy(name="p", providers=("cloud",), privacy="local"), cloud={})
    assert "cloud/* policy 'p' keeps data on this machine" in found.problem


def test_all_faults_are_told_at_once() -> None:
    found = look(
        Policy(name="a", providers=("x",)),
        Policy(name="b", models=("y",)),
        model="z",
        budgets=Budgets(run_msat=0, day_msat=0),
        quality=QualityRules(reference="r", judge_model="j"),
    )
    assert len(found) == 7
