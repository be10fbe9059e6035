"""What is known of models, as plain data."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.routing.config import RoutingConfig
from holdfast.routing.dialects.seam import Document
from holdfast.routing.quality.evidence import Contest
from holdfast.routing.quality.floor import Floor, judge_pairs
from holdfast.routing.quality.learning import Learned
from holdfast.routing.quality.rules import QualityRules

Floors = Callable[[Contest], Floor]


def floors_of(config: RoutingConfig) -> Floors:
    """Return what says under which floor a comparison stands: that of the policy it is named after."""
    rules = config.quality or QualityRules()
    least = {
        each.name: each.min_quality for each in config.policies if each.min_quality is not None
    }

    def floor(contest: Contest) -> Floor:
        policy = contest.segment.partition("/")[0]
        usual = rules.min_quality or Floor().min_quality
        return Floor(min_quality=least.get(policy, usual), alpha=rules.alpha)

    return floor


def contests_data(learned: Learned, floors: Floors) -> list[Document]:
    """Return every comparison with its counts and where it stands, by name."""
    found = sorted(
        learned.counted.items(),
        key=lambda each: (each[0].segment, each[0].candidate, each[0].reference),
    )
    return [
        {
            "candidate": contest.candidate,
            "reference": contest.reference,
            "segment": contest.segment,
            "min_quality": floors(contest).min_quality,
            "both_good": pairs.both,
            "candidate_only": pairs.candidate_only,
            "reference_only": pairs.reference_only,
            "neither": pairs.neither,
            "standing": (judged := judge_pairs(pairs, floors(contest))).standing.value,
            "pairs": judged.evidence,
            "needed": judged.needed,
            "reason": judged.reason,
        }
        for contest, pairs in found
    ]
