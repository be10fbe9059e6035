"""Choose the model of a request that leaves it to us: its cheapest offers, weighed by `quality`."""

from __future__ import annotations

from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.quality.choosing import (
    Choice,
    ChoicePolicy,
    Facts,
    ModelOption,
    choose_model,
)
from holdfast.routing.quality.evidence import Evidence
from holdfast.routing.quality.floor import Floor
from holdfast.routing.seam import OFFLINE
from holdfast.routing.selection.choosing import Candidate, Plan, Wanted

_CHEAPEST, _DEAREST = 48, 16
"""How many models are weighed of a longer list: those that may save, and those to be measured by."""


def choose(ask: Ask, wanted: Wanted, plan: Plan, evidence: Evidence) -> Choice:
    """Return the cheapest model that is good enough for a request, among those of a plan.

    Raises:
        NoProvider: there is none.
    """
    facts = Facts(text=ask.text, messages=ask.messages, complexity=ask.complexity)
    least, reference = wanted.policy.min_quality, wanted.policy.reference
    policy = ChoicePolicy(
        reference=reference, floor=None if least is None else Floor(min_quality=least)
    )
    return choose_model(facts, options_of(plan), evidence, policy)


def options_of(plan: Plan) -> list[ModelOption]:
    """Return the models of a plan, each by its cheapest offer.

    The extractor is no model of a language: it is an option only where there is no other.
    """
    every = [*plan.candidates, *plan.waiting]
    speaking = [each for each in every if each.endpoint.provider != OFFLINE]
    cheapest: dict[str, Candidate] = {}
    for each in sorted(speaking or every):
        cheapest.setdefault(each.endpoint.model, each)
    offers = list(cheapest.values())
    if len(offers) > _CHEAPEST + _DEAREST:
        offers = offers[:_CHEAPEST] + offers[-_DEAREST:]
    return [_option(each) for each in offers]


def _option(candidate: Candidate) -> ModelOption:
    msat = candidate.msat
    endpoint = candidate.endpoint
    return ModelOption(
        model=endpoint.model,
        tier=endpoint.traits.tier,
        cost_msat=None if msat is None else round(msat),
    )
