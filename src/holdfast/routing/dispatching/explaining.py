"""Every candidate for a request with the reason why it is asked or not, as plain data."""

from __future__ import annotations

from holdfast.routing.dialects.seam import Document
from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.dispatching.dispatcher import Dispatcher
from holdfast.routing.providers.habits import learned_by
from holdfast.routing.quality.choices import Choice
from holdfast.routing.quality.floor import Judgement
from holdfast.routing.selection.choosing import Candidate, Wanted


def explain(dispatcher: Dispatcher, ask: Ask) -> Document:
    """Return the plan for a request: nothing is sent, and nothing is reserved.

    Raises:
        UsageError: the request names a policy that there is not.
        NoProvider: nobody serves the model.
    """
    wanted = dispatcher.wanted(ask)
    plan = dispatcher.chooser.plan(wanted, explain=True)
    candidates = [
        _candidate(dispatcher, each, wanted, "chosen" if not place else "next")
        for place, each in enumerate(plan.candidates)
    ]
    waiting = [_candidate(dispatcher, each, wanted, "waits") for each in plan.waiting]
    rejected: list[Document] = [
        {
            "provider": each.endpoint.provider,
            "model": each.endpoint.model,
            "status": "rejected",
            "reason": each.reason,
        }
        for each in plan.rejected
    ]
    if not (candidates or waiting or rejected):
        dispatcher.plan(wanted)  # says that nobody serves it, and what may be meant
    return {
        "model": wanted.model,
        "choice": None if wanted.choice is None else choice_data(wanted.choice),
        "policy": wanted.policy.name,
        "strategy": wanted.policy.strategy or wanted.strategy,
        "input_tokens": wanted.tokens.inward,
        "output_tokens": wanted.tokens.outward,
        "candidates": [*candidates, *waiting, *rejected],
    }


def choice_data(choice: Choice) -> Document:
    """Return how a model was chosen, with the reason against each of the others."""
    return {
        "model": choice.model,
        "why": choice.why,
        "strategy": choice.strategy,
        "then": list(choice.then),
        "reference": choice.reference,
        "complexity": round(choice.complexity.score, 3),
        "tier": choice.complexity.tier,
        "considered": [
            {
                "model": each.model,
                "tier": each.tier,
                "expected_msat": each.expected_cost_msat,
                "rejected": each.rejected,
                "quality": None if each.quality is None else round(each.quality, 3),
                "judged": each.evidence,
                "floor": floor_data(each.floor),
            }
            for each in choice.considered
        ],
    }


def floor_data(judged: Judgement | None) -> Document | None:
    """Return what is shown of a candidate against the reference, None without a floor."""
    if judged is None:
        return None
    return {
        "standing": judged.standing.value,
        "pairs": judged.evidence,
        "needed": judged.needed,
    }


def _candidate(
    dispatcher: Dispatcher, candidate: Candidate, wanted: Wanted, status: str
) -> Document:
    endpoint = candidate.endpoint
    parts = dispatcher.chooser.parts(endpoint, wanted)
    told: Document = {
        "provider": endpoint.provider,
        "model": endpoint.model,
        "status": status,
        "expected_msat": None if candidate.msat is None else round(candidate.msat, 3),
        "parts": None
        if parts is None
        else {name: round(each, 3) for name, each in parts._asdict().items()},
    }
    habits = learned_by(dispatcher.providers[endpoint.provider]).get(endpoint.model)
    if habits is not None and habits.left_out:
        told["left_out"] = sorted(habits.left_out)
    if status == "waits":
        told["reason"] = f"its circuit: {candidate.verdict.reason}"
    elif candidate.msat is None:
        told["reason"] = "its price is unknown: asked after those whose price is known"
    return told
