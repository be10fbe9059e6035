"""Everything that is learned of models in one place: predictions by likeness, and pairs."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.routing.quality.evidence import Contest, Evidence, Prediction
from holdfast.routing.quality.floor import NO_PAIRS, Pairs
from holdfast.routing.quality.neighbours import Neighbours


class Learned:
    """The evidence that `choose_model` reads. What keeps it writes `counted` and `neighbours`."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.neighbours = neighbours
        self.counted: Mapping[Contest, Pairs] = {}

    def predict(self, text: str) -> Mapping[str, Prediction]:
        return self.neighbours.predict(text)

    def pairs(self, contest: Contest) -> Pairs:
        return self.counted.get(contest, NO_PAIRS)


class Foreseen:
    """Evidence with predictions that were made before, in another thread."""

    def __init__(self, evidence: Evidence, predicted: Mapping[str, Prediction]) -> None:
        self._predicted = predicted
        self.pairs = evidence.pairs

    def predict(self, text: str) -> Mapping[str, Prediction]:  # noqa: ARG002 - the seam's
        return self._predicted
