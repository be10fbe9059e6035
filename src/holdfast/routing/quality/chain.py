"""The choice for a cascade that names its models: asked in that order, each if the one before failed."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.errors import NoProvider
from holdfast.routing.quality.choices import Choice, ChoicePolicy, Considered, Facts, ModelOption
from holdfast.routing.quality.choosing import asked_complexity


def choose_chain(
    facts: Facts, candidates: Sequence[ModelOption], chain: Sequence[str], policy: ChoicePolicy
) -> Choice:
    """Return the first model of a chain that may be asked, with those behind it to turn to.

    Raises:
        NoProvider: none of them may be asked.
    """
    known = {option.model: option for option in candidates}
    there = [model for model in chain if model in known]
    if not there:
        raise NoProvider(
            f"none of the models of the cascade may be asked: {', '.join(chain)}",
            hint="list them under a provider in holdfast.toml, or mend the policy",
        )
    first, *behind = there
    told = f"; then {', '.join(map(repr, behind))} if its answer fails the check" if behind else ""
    return Choice(
        model=first,
        why=f"asked first, as the cascade of policy {policy.name!r} says{told}",
        strategy="cascade",
        reference=there[-1],
        complexity=asked_complexity(facts, policy.complexity),
        considered=tuple(_considered(each, there) for each in candidates),
        expected_cost_msat=known[first].cost_msat,
        then=tuple(behind),
    )


def _considered(option: ModelOption, there: Sequence[str]) -> Considered:
    return Considered(
        model=option.model,
        tier=option.tier,
        expected_cost_msat=option.cost_msat,
        quality=None,
        evidence=0,
        floor=None,
        rejected=_why_not(option.model, there),
    )


def _why_not(model: str, there: Sequence[str]) -> str | None:
    if model not in there:
        return "it is not in the cascade"
    place = there.index(model)
    return f"asked only if the answer of {there[place - 1]!r} fails the check" if place else None
