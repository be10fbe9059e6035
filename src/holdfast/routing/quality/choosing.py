"""The choice for `model: auto`: the cheapest candidate that is good enough, with every reason.

Three strategies say which candidates come into question:

- `complexity`: those of the tier that the look of the request asks for, or above;
- `learned`: those that answered requests like it nearly as well as the reference;
- `cascade`: any cheaper one, whose answer is checked and asked of the reference if it fails;
- `auto`: as `learned` where enough is known of requests like this one, else as `complexity`.

Then the floor keeps only those that are shown good enough. The reference is what serves otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from holdfast.errors import NoProvider, UsageError
from holdfast.frozen import frozen, replace
from holdfast.routing.quality.choices import (
    Choice,
    ChoicePolicy,
    Considered,
    Facts,
    ModelOption,
    Strategy,
)
from holdfast.routing.quality.complexity import (
    TIERS,
    Complexity,
    ComplexityRules,
    Tier,
    measure_complexity,
)
from holdfast.routing.quality.evidence import Contest, Evidence, NoEvidence, Prediction
from holdfast.routing.quality.floor import Judgement, Standing, is_sampled, judge_pairs, lot

_ASKED: Final[Mapping[str, Tier]] = {"low": "local", "medium": "standard", "high": "frontier"}


@frozen
class _Case:
    """Everything that one candidate is judged by. `strategy` is that of the policy, or one that it tries.

    `too_low` says of each tier below the one that the look of the request asks for why it is out of question.
    """

    policy: ChoicePolicy
    strategy: Strategy
    reference: str
    reference_cost: int | None
    asked: Complexity
    too_low: Mapping[Tier, str]
    segment: str
    predicted: Mapping[str, Prediction]
    evidence: Evidence


def choose_model(
    facts: Facts, candidates: Sequence[ModelOption], evidence: Evidence, policy: ChoicePolicy
) -> Choice:
    """Return the cheapest candidate that is good enough, else the reference, with all reasons.

    Raises:
        NoProvider: there is no candidate, or none is good enough and the reference is not one.
        UsageError: two candidates have the same name.
    """
    if policy.strategy != "auto":
        case = _case(facts, candidates, evidence, policy, policy.strategy)
        return _choose(facts, case, candidates)
    by_look = _case(facts, candidates, evidence, policy, "complexity")
    learned = _by_prediction(by_look, facts, "learned")
    if not _knows(learned, candidates):
        return _choose(facts, by_look, candidates)
    if policy.floor is None or _is_anybody_shown(learned, candidates):
        choice = _choose(facts, learned, candidates)
        if policy.floor is None or choice.model != choice.reference:
            return _counted_also(choice, by_look, candidates)
    # Nobody is shown good enough by the new rule yet: until then the other one's proofs count.
    return _counted_also(_choose(facts, by_look, candidates), learned, candidates)


def _is_anybody_shown(case: _Case, candidates: Sequence[ModelOption]) -> bool:
    return any(
        _judge(each, case).standing is Standing.SHOWN
        for each in candidates
        if each.model != case.reference
    )


def _choose(facts: Facts, case: _Case, candidates: Sequence[ModelOption]) -> Choice:
    considered = [_consider(option, case) for option in candidates]
    fitting = [each for each in considered if each.rejected is None]
    if not fitting:
        raise _nothing_fits(case, considered)
    chosen = min(fitting, key=lambda each: _by_cost(each.expected_cost_msat, each.model))
    is_cascade = case.strategy == "cascade" and chosen.model != case.reference
    check = _second_model(facts, case, considered, chosen)
    contest = _contest(chosen.model if check == case.reference else check, case)
    return Choice(
        model=chosen.model,
        why=_why(chosen, case) if len(considered) > 1 else "the only model to choose from",
        strategy=case.strategy,
        reference=case.reference,
        complexity=case.asked,
        considered=_explained(considered, chosen),
        expected_cost_msat=chosen.expected_cost_msat,
        then=(case.reference,) if is_cascade else (),
        check=check,
        contests=() if contest is None else (contest,),
        floor=case.policy.floor,
    )


def _knows(case: _Case, candidates: Sequence[ModelOption]) -> bool:
    """Tell whether enough is known of the reference and of another on requests like this."""
    least, known = case.policy.min_evidence, case.predicted
    if _evidence(known, case.reference) < least:
        return False
    enough = [each.model for each in candidates if _evidence(known, each.model) >= least]
    return case.reference in enough and len(enough) > 1


def _counted_also(choice: Choice, other: _Case, candidates: Sequence[ModelOption]) -> Choice:
    """Let a check count for the other rule too, if the candidate is in question there."""
    for contest in choice.contests:
        [option] = [each for each in candidates if each.model == contest.candidate]
        if _why_out_of_question(_found(option, other), other) is None:
            also = contest._replace(segment=other.segment)
            return replace(choice, contests=(contest, also))
    return choice


def _case(
    facts: Facts,
    candidates: Sequence[ModelOption],
    evidence: Evidence,
    policy: ChoicePolicy,
    strategy: Strategy,
) -> _Case:
    if not candidates:
        raise NoProvider(
            "there is no model to choose from for 'auto'",
            hint="list models with prices under a provider in holdfast.toml, or allow more in the "
            "policy",
        )
    costs = {option.model: option.cost_msat for option in candidates}
    if len(costs) < len(candidates):
        names = ", ".join(sorted(option.model for option in candidates))
        raise UsageError(
            f"a candidate is named twice: {names}", hint="give the cheapest offer of each model"
        )
    reference = policy.reference or max(candidates, key=_strength).model
    asked = asked_complexity(facts, policy.complexity)
    by_look = _Case(
        policy=policy,
        strategy="complexity",
        reference=reference,
        reference_cost=costs.get(reference),
        asked=asked,
        too_low=_too_low(asked),
        segment=_segment(policy, f"complexity/{asked.tier}"),
        predicted=NoEvidence().predict(""),
        evidence=evidence,
    )
    return by_look if strategy == "complexity" else _by_prediction(by_look, facts, strategy)


def _by_prediction(case: _Case, facts: Facts, strategy: Strategy) -> _Case:
    """Return the case of a strategy that goes by what is known of requests like this one."""
    return replace(
        case,
        strategy=strategy,
        segment=_segment(case.policy, strategy),
        predicted=case.evidence.predict(facts.text),
    )


def _segment(policy: ChoicePolicy, rule: str) -> str:
    return f"{policy.name}/{rule}" if policy.name else rule


def _consider(option: ModelOption, case: _Case) -> Considered:
    """Return what is found of a candidate by itself, before it is compared with the others."""
    found = _found(option, case)
    if option.model == case.reference:
        return found
    unfit = _why_out_of_question(found, case)
    if unfit is None and found.floor is not None and found.floor.standing is not Standing.SHOWN:
        unfit = found.floor.reason
    return found if unfit is None else _rejected(found, unfit)


def _found(option: ModelOption, case: _Case) -> Considered:
    model, tier, cost = option
    is_judged = case.policy.floor is not None and model != case.reference
    if case.strategy == "cascade" and model != case.reference:
        cost = _cost_of_trying(option, case)
    prediction = case.predicted.get(model)
    quality, evidence = (prediction.quality, prediction.evidence) if prediction else (None, 0)
    floor = _judge(option, case) if is_judged else None
    return Considered(model, tier, cost, quality, evidence, floor, None)


def _rejected(found: Considered, why: str) -> Considered:
    return Considered(*found[:-1], why)  # a third of the time of `_replace`


def _judge(option: ModelOption, case: _Case) -> Judgement:
    assert case.policy.floor is not None
    contest = Contest(option.model, case.reference, case.segment)
    return judge_pairs(case.evidence.pairs(contest), case.policy.floor)


def _cost_of_trying(option: ModelOption, case: _Case) -> int | None:
    """Return the cost of asking with that of asking the reference then, as often as expected."""
    if option.cost_msat is None or case.reference_cost is None:
        return None
    prediction = case.predicted.get(option.model)
    # A few failures say little, and would keep a cascade from ever being tried again.
    is_known = prediction is not None and prediction.evidence >= case.policy.min_evidence
    failing = 1 - prediction.quality if prediction and is_known else 0.5
    return option.cost_msat + round(failing * case.reference_cost)


def _why_out_of_question(found: Considered, case: _Case) -> str | None:
    """Return why the strategy does not take a candidate, None if it does."""
    if found.expected_cost_msat is None:
        return "its cost is unknown, so nothing shows that it is the cheaper one"
    match case.strategy:
        case "complexity":
            return case.too_low.get(found.tier)
        case "learned":
            return _below_prediction(found, case)
        case "cascade" | "auto":
            if found.expected_cost_msat < (case.reference_cost or 0):
                return None
            return f"with its expected failures it costs no less than {case.reference!r} at once"


def _too_low(asked: Complexity) -> dict[Tier, str]:
    why = f"is below {asked.tier!r}, which the complexity {asked.score:.2f} asks for"
    return {tier: f"its tier {tier!r} {why}" for tier in TIERS[: TIERS.index(asked.tier)]}


def _below_prediction(found: Considered, case: _Case) -> str | None:
    least = case.policy.min_evidence
    reference = case.predicted.get(case.reference)
    known = _evidence(case.predicted, case.reference)
    if reference is None or known < least:
        return (
            f"too little is known of {case.reference!r} on requests like this: {known} of {least} "
            "judged answers"
        )
    if found.quality is None or found.evidence < least:
        return (
            f"too little is known of it on requests like this: {found.evidence} of {least} "
            "judged answers"
        )
    floor = case.policy.floor
    wanted = (floor.min_quality if floor else case.policy.learned_share) * reference.quality
    if found.quality >= wanted:
        return None
    return f"predicted to answer {found.quality:.2f} of such requests well, not {wanted:.2f}"


def _evidence(predicted: Mapping[str, Prediction], model: str) -> int:
    prediction = predicted.get(model)
    return prediction.evidence if prediction else 0


def _second_model(
    facts: Facts, case: _Case, considered: Sequence[Considered], chosen: Considered
) -> str | None:
    """Return whom else to ask if the request is one of those that are checked.

    A candidate that serves is checked against the reference; while the reference serves, the
    cheapest candidate whose proof is open gets its chance, and now and then one that was refuted.
    """
    floor, request = case.policy.floor, facts.request_id
    if floor is None or request is None:
        return None
    if chosen.model != case.reference:
        is_there = any(each.model == case.reference for each in considered)
        return case.reference if is_there and is_sampled(request, floor.check_share) else None
    if is_sampled(f"{request} again", floor.recheck_share):
        refuted = _waiting(considered, case, Standing.REFUTED)
        if refuted:
            return min(refuted, key=lambda each: lot(f"{request} {each.model}")).model
    if not is_sampled(request, floor.prove_share):
        return None
    unproven = _waiting(considered, case, Standing.OPEN)
    cheapest = min(
        unproven, key=lambda each: _by_cost(each.expected_cost_msat, each.model), default=None
    )
    return cheapest.model if cheapest else None


def _waiting(
    considered: Sequence[Considered], case: _Case, standing: Standing
) -> Sequence[Considered]:
    """Return candidates that stand so, and would serve for less than the reference if they were shown."""
    return [
        each
        for each in considered
        if each.floor is not None
        and each.floor.standing is standing
        and each.expected_cost_msat is not None
        and (case.reference_cost is None or each.expected_cost_msat < case.reference_cost)
        and _why_out_of_question(each, case) is None
    ]


def _contest(candidate: str | None, case: _Case) -> Contest | None:
    if candidate is None:
        return None
    return Contest(candidate=candidate, reference=case.reference, segment=case.segment)


def _explained(considered: Sequence[Considered], chosen: Considered) -> tuple[Considered, ...]:
    """Return the candidates with the reason against each but the chosen one."""
    dearer = f"it costs no less than {chosen.model!r}"
    return tuple(
        [
            each
            if each.rejected is not None or each is chosen
            else _rejected(
                each, "what it costs is unknown" if each.expected_cost_msat is None else dearer
            )
            for each in considered
        ]
    )


def _why(chosen: Considered, case: _Case) -> str:
    if chosen.model == case.reference:
        return "the reference: no cheaper candidate is good enough"
    found = {
        "complexity": f"the cheapest for the complexity {case.asked.score:.2f}",
        "learned": f"the cheapest that is predicted to do ({chosen.evidence} judged answers)",
        "cascade": f"asked first; {case.reference!r} is asked if its answer fails the check",
        "auto": "",
    }[case.strategy]
    return f"{found}; {chosen.floor.reason}" if chosen.floor else found


def asked_complexity(facts: Facts, rules: ComplexityRules) -> Complexity:
    """Return how hard a request looks, or is said to be."""
    if facts.complexity is None:
        return measure_complexity(facts.text, facts.messages, rules)
    tier = _ASKED[facts.complexity]
    return Complexity(score=TIERS.index(tier) / 2, tier=tier, signals=None)


def _strength(option: ModelOption) -> tuple[int, int, str]:
    return TIERS.index(option.tier), option.cost_msat or 0, option.model


def _by_cost(cost: int | None, model: str) -> tuple[bool, int, str]:
    return cost is None, cost or 0, model


def _nothing_fits(case: _Case, considered: Sequence[Considered]) -> NoProvider:
    reasons = "; ".join(f"{each.model}: {each.rejected}" for each in considered)
    return NoProvider(
        f"no candidate for 'auto' is good enough, and the reference {case.reference!r} cannot be "
        f"asked: {reasons}",
        hint="name a reference that is among the candidates, lower min_quality, or ask for a "
        "model by name",
    )
