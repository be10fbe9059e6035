"""Which model is taken for `model: auto`, and what is said of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import NoProvider, UsageError
from holdfast.frozen import replace
from holdfast.routing.quality.chain import choose_chain
from holdfast.routing.quality.choices import ChoicePolicy, Facts, ModelOption
from holdfast.routing.quality.choosing import choose_model
from holdfast.routing.quality.evidence import Contest, NoEvidence, Prediction
from holdfast.routing.quality.floor import Floor, Pairs, Standing

SMALL = ModelOption(model="small", tier="local", cost_msat=10)
MIDDLE = ModelOption(model="middle", tier="standard", cost_msat=100)
LARGE = ModelOption(model="large", tier="frontier", cost_msat=1000)
ALL = (SMALL, MIDDLE, LARGE)
EASY = Facts(text="What is the capital of France?")
PROVEN = Pairs(both=900, neither=100)
FREE = ChoicePolicy(floor=None)
ALWAYS = Floor(check_share=1.0, prove_share=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Evidence that a test wrote down."""

    qualities: Mapping[str, Prediction] = field(default_factory=dict)
    counted: Mapping[Contest, Pairs] = field(default_factory=dict)

    def predict(self, text: str) -> Mapping[str, Prediction]:
        return self.qualities

    def pairs(self, contest: Contest) -> Pairs:
        return self.counted.get(contest, Pairs())


def predictions(**qualities: float) -> Mapping[str, Prediction]:
    return {name: Prediction(quality=each, evidence=40) for name, each in qualities.items()}


def proven(candidate: str, segment: str, pairs: Pairs = PROVEN) -> Known:
    contest = Contest(candidate=candidate, reference="large", segment=segment)
    return Known(counted={contest: pairs}, qualities=predictions(small=0.9, middle=0.9, large=0.9))


def reason(choice, model: str) -> str | None:
    return next(each.rejected for each in choice.considered if each.model == model)


def test_an_easy_request_takes_the_cheapest_of_any_tier_when_no_proof_is_asked():
    choice = choose_model(EASY, ALL, NoEvidence(), FREE)
    assert choice.model == "small"
    assert reason(choice, "small") is None
    assert reason(choice, "middle") == "it costs no less than 'small'"


@pytest.mark.parametrize(
    ("said", "model"), [("low", "small"), ("medium", "middle"), ("high", "large")]
)
def test_the_callers_word_replaces_the_score(said, model):
    assert choose_model(replace(EASY, complexity=said), ALL, NoEvidence(), FREE).model == model


def test_a_hard_request_says_why_lower_tiers_are_passed_over():
    choice = choose_model(replace(EASY, complexity="medium"), ALL, NoEvidence(), FREE)
    assert reason(choice, "small") == (
        "its tier 'local' is below 'standard', which the complexity 0.50 asks for"
    )


def test_without_proof_the_reference_serves_and_says_how_much_is_missing():
    choice = choose_model(EASY, ALL, NoEvidence(), ChoicePolicy())
    assert choice.model == choice.reference == "large"
    assert "not enough data for 0.97 of the reference: 0 requests, about" in (
        reason(choice, "small") or ""
    )


def test_a_candidate_that_is_shown_good_enough_serves():
    choice = choose_model(EASY, ALL, proven("small", "complexity/local"), ChoicePolicy())
    assert choice.model == "small"
    assert "shown to reach 0.97 of the reference by 1000 requests" in choice.why


def test_a_proof_on_easy_requests_is_none_for_hard_ones():
    facts = replace(EASY, complexity="medium")
    choice = choose_model(facts, ALL, proven("middle", "complexity/local"), ChoicePolicy())
    assert choice.model == "large"


def test_the_learned_strategy_takes_the_cheapest_that_is_predicted_to_do():
    known = Known(qualities=predictions(small=0.7, middle=0.89, large=0.9))
    choice = choose_model(EASY, ALL, known, replace(FREE, strategy="learned"))
    assert choice.model == "middle"
    assert reason(choice, "small") == "predicted to answer 0.70 of such requests well, not 0.87"


@pytest.mark.parametrize("unknown", ["small", "large"])
def test_the_learned_strategy_says_when_it_knows_too_little(unknown):
    known = dict(predictions(small=0.9, large=0.9))
    known[unknown] = Prediction(quality=0.9, evidence=3)
    choice = choose_model(
        EASY, (SMALL, LARGE), Known(qualities=known), replace(FREE, strategy="learned")
    )
    assert choice.model == "large"
    assert "3 of 10 judged answers" in (reason(choice, "small") or "")


def test_the_caller_may_ask_both_models_of_a_cascade_that_is_not_proven():
    policy = ChoicePolicy(strategy="cascade", floor=ALWAYS)
    choice = choose_model(replace(EASY, request_id="a"), (SMALL, LARGE), NoEvidence(), policy)
    assert (choice.model, choice.check, choice.then) == ("large", "small", ())
    assert [each.segment for each in choice.contests] == ["cascade"]


def test_the_floor_holds_for_what_is_learned_too():
    known = Known(qualities=predictions(small=0.9, middle=0.9, large=0.9))
    assert choose_model(EASY, ALL, known, ChoicePolicy(strategy="learned")).model == "large"
    shown = proven("small", "learned")
    assert choose_model(EASY, ALL, shown, ChoicePolicy(strategy="learned")).model == "small"


def test_a_cascade_asks_the_cheap_one_first_and_counts_on_asking_again():
    known = Known(qualities=predictions(small=0.8, middle=0.95))
    choice = choose_model(EASY, ALL, known, replace(FREE, strategy="cascade"))
    assert (choice.model, choice.then) == ("middle", ("large",))
    assert choice.expected_cost_msat == 100 + 50
    assert {each.model: each.expected_cost_msat for each in choice.considered}["small"] == 210


def test_a_cascade_that_would_cost_more_than_the_reference_is_not_begun():
    known = Known(qualities=predictions(middle=0.05))
    choice = choose_model(EASY, (MIDDLE, LARGE), known, replace(FREE, strategy="cascade"))
    assert (choice.model, choice.then) == ("large", ())


@pytest.mark.parametrize(("cost", "model"), [(499, "able"), (500, "large")])
def test_a_cascade_of_which_nothing_is_known_is_supposed_to_fail_half_of_the_time(cost, model):
    options = (MIDDLE._replace(model="able", cost_msat=cost), LARGE)
    choice = choose_model(EASY, options, NoEvidence(), replace(FREE, strategy="cascade"))
    assert choice.model == model


def test_a_cascade_that_names_its_models_is_measured_by_the_last_of_them():
    choice = choose_chain(EASY, ALL, ("small", "gone", "middle"), FREE)
    assert (choice.model, choice.then, choice.reference) == ("small", ("middle",), "middle")
    assert reason(choice, "large") == "it is not in the cascade"


def test_an_unknown_price_is_never_taken_for_a_low_one():
    choice = choose_model(EASY, (SMALL._replace(cost_msat=None), LARGE), NoEvidence(), FREE)
    assert choice.model == "large"
    assert "unknown" in (reason(choice, "small") or "")


def test_a_reference_of_unknown_price_is_not_taken_for_the_cheapest():
    assert choose_model(
        EASY, (SMALL, LARGE._replace(cost_msat=None)), NoEvidence(), FREE
    ).model == ("small")


def test_a_sampled_request_gives_the_cheapest_unproven_candidate_its_chance():
    facts = replace(EASY, request_id="a")
    choice = choose_model(facts, ALL, NoEvidence(), ChoicePolicy(floor=ALWAYS))
    assert (choice.model, choice.check) == ("large", "small")
    contest = Contest(candidate="small", reference="large", segment="complexity/local")
    assert choice.contests == (contest,)


def test_a_candidate_that_serves_goes_on_being_checked():
    facts = replace(EASY, request_id="a")
    known = proven("small", "complexity/local")
    choice = choose_model(facts, ALL, known, ChoicePolicy(floor=ALWAYS))
    assert (choice.model, choice.check) == ("small", "large")
    assert [each.candidate for each in choice.contests] == ["small"]


def test_a_refuted_candidate_is_not_checked_any_more():
    known = proven("small", "complexity/local", Pairs(both=10, reference_only=90))
    facts = replace(EASY, request_id="a")
    choice = choose_model(facts, (SMALL, LARGE), known, ChoicePolicy(floor=ALWAYS))
    assert (choice.model, choice.check, choice.contests) == ("large", None, ())


def test_nothing_is_checked_without_an_id_or_outside_the_share():
    assert choose_model(EASY, ALL, NoEvidence(), ChoicePolicy(floor=ALWAYS)).check is None
    never = ChoicePolicy(floor=Floor(check_share=0.0))
    assert choose_model(replace(EASY, request_id="a"), ALL, NoEvidence(), never).check is None


def test_a_reference_that_cannot_be_asked_leaves_only_what_is_proven():
    policy = ChoicePolicy(reference="large")
    with pytest.raises(NoProvider, match="'large' cannot be asked: small: not enough data"):
        choose_model(EASY, (SMALL, MIDDLE), NoEvidence(), policy)
    shown = proven("middle", "complexity/local")
    policy, asked = replace(policy, floor=ALWAYS), replace(EASY, request_id="a")
    choice = choose_model(asked, (SMALL, MIDDLE), shown, policy)
    assert (choice.model, choice.check) == ("middle", None)


def test_what_is_shown_under_one_policy_counts_under_no_other():
    asked, policy = replace(EASY, request_id="a"), ChoicePolicy(name="cheap", floor=ALWAYS)
    choice = choose_model(asked, ALL, proven("small", "complexity/local"), policy)
    assert (choice.model, choice.check) == ("large", "small")
    assert [each.segment for each in choice.contests] == ["cheap/complexity/local"]


def test_no_candidate_and_a_name_given_twice_are_refused_with_what_to_do():
    with pytest.raises(NoProvider, match="no model to choose from"):
        choose_model(EASY, (), NoEvidence(), FREE)
    with pytest.raises(UsageError, match="named twice"):
        choose_model(EASY, (SMALL, SMALL), NoEvidence(), FREE)


OPTIONS = st.lists(
    st.builds(
        ModelOption,
        model=st.sampled_from("abcdef"),
        tier=st.sampled_from(["local", "standard", "frontier"]),
        cost_msat=st.none() | st.integers(0, 100),
    ),
    min_size=1,
    unique_by=lambda option: option.model,
)
STRATEGIES = st.sampled_from(["complexity", "learned", "cascade"])
QUALITIES = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(Prediction, quality=st.floats(0, 1), evidence=st.integers(0, 50)),
)


@pytest.mark.promise("floor-before-savings")
@given(OPTIONS, STRATEGIES, QUALITIES, st.booleans(), st.sampled_from([None, "low", "high"]))
def test_every_candidate_but_the_chosen_has_a_reason_and_none_is_served_unproven(
    options, strategy, qualities, has_floor, said
):
    policy = ChoicePolicy(strategy=strategy, floor=ALWAYS if has_floor else None)
    facts = Facts(text="some text of a request", complexity=said, request_id="x")
    choice = choose_model(facts, options, Known(qualities=qualities), policy)
    accepted = [each.model for each in choice.considered if each.rejected is None]
    assert accepted == [choice.model]
    assert [each.model for each in choice.considered] == [option.model for option in options]
    if has_floor:
        assert choice.model == choice.reference
    else:
        cost = {option.model: option.cost_msat for option in options}
        ours, theirs = choice.expected_cost_msat, cost[choice.reference]
        assert ours is None or theirs is None or ours <= theirs
    for each in choice.considered:
        if each.floor is not None:
            assert each.floor.standing is Standing.OPEN


def refuted_and_unproven(*, recheck: float, prove: float = 0.0):
    """Return what is asked besides the reference, by request: `small` is refuted, `middle` too."""
    bad = Pairs(reference_only=50)
    contests = [
        Contest(candidate=name, reference="large", segment="complexity/local")
        for name in ("small", "middle")
    ]
    known = Known(counted=dict.fromkeys(contests, bad))
    policy = ChoicePolicy(floor=Floor(recheck_share=recheck, prove_share=prove))
    return [
        choose_model(replace(EASY, request_id=f"{n:032x}"), ALL, known, policy).check
        for n in range(1000)
    ]


def test_refuted_models_are_looked_at_again_in_a_share_of_requests_each_as_often():
    asked = refuted_and_unproven(recheck=0.1)
    counts = {name: asked.count(name) for name in ("small", "middle", None)}
    assert 70 <= counts["small"] + counts["middle"] <= 130
    assert min(counts["small"], counts["middle"]) >= 30


def test_a_second_look_at_refuted_models_takes_no_chance_from_one_that_waits_for_its_proof():
    contest = Contest(candidate="small", reference="large", segment="complexity/local")
    known = Known(counted={contest: Pairs(reference_only=50)})
    policy = ChoicePolicy(floor=Floor(recheck_share=0.5, prove_share=0.5))
    asked = [
        choose_model(replace(EASY, request_id=f"{n:032x}"), ALL, known, policy).check
        for n in range(100)
    ]
    assert {"small", "middle", None} == {*asked}


@pytest.mark.parametrize("recheck", [0.0, 1.0])
def test_refuted_models_have_a_share_of_their_own(recheck):
    assert (None in refuted_and_unproven(recheck=recheck, prove=1.0)) is (recheck == 0.0)


def test_a_refuted_model_takes_no_check_from_one_that_serves():
    counted = {
        Contest(candidate="middle", reference="large", segment="complexity/local"): PROVEN,
        Contest(candidate="small", reference="large", segment="complexity/local"): Pairs(
            reference_only=50
        ),
    }
    policy = ChoicePolicy(floor=Floor(check_share=1.0, recheck_share=1.0))
    asked = replace(EASY, request_id="ab" * 16)
    choice = choose_model(asked, ALL, Known(counted=counted), policy)
    assert (choice.model, choice.check) == ("middle", "large")


@pytest.mark.parametrize(
    ("shares", "pairs", "check"),
    [
        ({"check_share": 1.0, "prove_share": 0.0}, PROVEN, "large"),
        ({"check_share": 0.0, "prove_share": 1.0}, PROVEN, None),
        ({"check_share": 1.0, "prove_share": 0.0}, Pairs(), None),
        ({"check_share": 0.0, "prove_share": 1.0}, Pairs(), "small"),
    ],
)
def test_the_share_of_checks_is_that_of_who_serves(shares, pairs, check):
    policy = ChoicePolicy(floor=Floor(recheck_share=0.0, **shares))
    known = proven("small", "complexity/local", pairs)
    asked = replace(EASY, request_id="ab" * 16)
    assert choose_model(asked, ALL, known, policy).check == check


def asked_besides(complexity: str, *options: ModelOption) -> str | None:
    policy = ChoicePolicy(reference="large", floor=Floor(prove_share=1.0, recheck_share=0.0))
    asked = replace(EASY, request_id="ab" * 16, complexity=complexity)
    return choose_model(asked, options, NoEvidence(), policy).check


def test_only_who_could_serve_such_a_request_for_less_gets_a_check():
    assert asked_besides("low", *ALL) == "small"
    assert asked_besides("medium", *ALL) == "middle"
    assert asked_besides("high", *ALL) is None
    dear = MIDDLE._replace(cost_msat=1000)
    assert asked_besides("medium", SMALL, dear, LARGE) is None


@pytest.mark.parametrize(("quality", "model"), [(0.873, "small"), (0.872, "large")])
def test_a_prediction_reaches_its_share_of_the_references_or_it_does_not(quality, model):
    known = Known(qualities=predictions(small=quality, large=0.9))
    policy = ChoicePolicy(strategy="learned", floor=None, learned_share=0.97)
    assert choose_model(EASY, (SMALL, LARGE), known, policy).model == model


@pytest.mark.parametrize(
    ("names", "strategy"),
    [
        (["large"], "complexity"),
        (["small", "middle"], "complexity"),
        (["large", "small"], "learned"),
    ],
)
def test_auto_goes_by_what_was_learned_when_there_are_two_to_compare(names, strategy):
    known = Known(qualities=predictions(**dict.fromkeys(names, 0.9)))
    policy = ChoicePolicy(strategy="auto", floor=None)
    assert choose_model(EASY, ALL, known, policy).strategy == strategy
