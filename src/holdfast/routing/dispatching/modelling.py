"""Choose the model of a request that leaves it to us: its cheapest offers, weighed by `quality`."""

from __future__ import annotations

from math import inf
from typing import Final

from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.quality.chain import choose_chain
from holdfast.routing.quality.choices import Choice, ChoicePolicy, Facts, ModelOption, Strategy
from holdfast.routing.quality.choosing import choose_model
from holdfast.routing.quality.evidence import Evidence
from holdfast.routing.quality.floor import Floor
from holdfast.routing.quality.learning import Foreseen
from holdfast.routing.quality.rules import QualityRules
from holdfast.routing.selection.choosing import Candidate, Plan, Wanted
from holdfast.routing.selection.policies import Policy

_CHEAPEST, _DEAREST = 48, 16
"""How many models are weighed of a longer list: those that may save, and those to be measured by."""

_USUAL: Final = QualityRules()


def choose(
    ask: Ask, wanted: Wanted, plan: Plan, evidence: Evidence, rules: QualityRules | None
) -> Choice:
    """Return the cheapest model that is good enough for a request, among those of a plan.

    Raises:
        NoProvider: there is none.
    """
    said = wanted.policy
    facts = Facts(
        text=ask.text,
        messages=ask.messages,
        complexity=ask.complexity,
        request_id=ask.id or None,
        is_checkable=wanted.check is not None,
    )
    if ask.predicted is not None:
        evidence = Foreseen(evidence, ask.predicted)
    policy = _policy(said, rules or _USUAL, is_cascade=bool(said.cascade) and facts.is_checkable)
    options = options_of(plan)
    if policy.strategy == "cascade" and isinstance(said.cascade, tuple):
        return choose_chain(facts, options, said.cascade, policy)
    return choose_model(facts, options, evidence, policy)


def _policy(said: Policy, rules: QualityRules, *, is_cascade: bool) -> ChoicePolicy:
    least = rules.min_quality if said.min_quality is None else said.min_quality
    floor = None
    if least is not None:
        floor = Floor(
            min_quality=least,
            alpha=rules.alpha,
            check_share=rules.check_share,
            prove_share=rules.prove_share,
            recheck_share=rules.recheck_share,
        )
    chooser: Strategy = "cascade" if is_cascade else rules.chooser
    return ChoicePolicy(
        name=said.name,
        strategy=chooser,
        reference=said.reference or rules.reference,
        floor=floor,
        complexity=rules.complexity,
        min_evidence=rules.min_evidence,
    )


def options_of(plan: Plan) -> list[ModelOption]:
    """Return the models of a plan, each by its cheapest offer."""
    cheapest: dict[str, Candidate] = {}
    for each in sorted([*plan.candidates, *plan.waiting]):
        cheapest.setdefault(each.endpoint.place.model, each)
    offers = list(cheapest.items())
    if len(offers) > _CHEAPEST + _DEAREST:
        offers = offers[:_CHEAPEST] + offers[-_DEAREST:]
    return [
        ModelOption(name, each.endpoint.traits.tier, None if each.cost == inf else round(each.cost))
        for name, each in offers
    ]
