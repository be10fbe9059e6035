"""What is known of models from judged answers: the seam between choosing and learning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from holdfast.frozen import NamedTuple
from holdfast.routing.quality.floor import NO_PAIRS, Pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One judged answer: whether it was good, what it cost, when it came (ms since the epoch)."""

    text: str
    model: str
    good: bool
    cost_msat: int | None = None
    at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The probability of a good answer, and how many judged answers it rests on.

    `cost_msat` is the mean of what those cost, None if it was never known.
    """

    quality: float
    evidence: int
    cost_msat: int | None = None


class Contest(NamedTuple):
    """A comparison that pairs are counted for: who stands against whom, on which requests.

    `segment` names the rule that picks the requests, because a model that is good enough for easy
    requests may not be so for hard ones. `choose_model` says it with every choice.
    """

    candidate: str
    reference: str
    segment: str


class Evidence(Protocol):
    """What has been learned so far. Reading it changes nothing."""

    def predict(self, text: str) -> Mapping[str, Prediction]:
        """Return a prediction for each model that was judged on requests like `text`."""
        ...

    def pairs(self, contest: Contest) -> Pairs:
        """Return the requests that both models of a contest answered; none counts as zero."""
        ...


class NoEvidence:
    """Nothing is known: what a project begins with."""

    def predict(self, text: str) -> Mapping[str, Prediction]:  # noqa: ARG002 - the seam's
        return {}

    def pairs(self, contest: Contest) -> Pairs:  # noqa: ARG002 - the seam's
        return NO_PAIRS
