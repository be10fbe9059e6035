"""Everything that is learned of models in one place: predictions by likeness, and pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from holdfast.errors import StorageCorrupt
from holdfast.routing.quality.evidence import Contest, Outcome, Prediction
from holdfast.routing.quality.floor import Pairs
from holdfast.routing.quality.neighbours import Neighbours


class Learned:
    """The evidence that `choose_model` reads, and what writes it.

    The caller keeps `dump()` wherever it keeps things; nothing here touches a disk.
    """

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self._pairs: dict[Contest, Pairs] = {}

    def learn(self, outcome: Outcome) -> None:
        """Take in one judged answer."""
        self._neighbours.learn(outcome)

    def count_pair(self, contest: Contest, *, candidate: bool, reference: bool) -> Pairs:
        """Take in a request that both models answered, well or not; return the new counts."""
        counted = self.pairs(contest).add(candidate=candidate, reference=reference)
        self._pairs[contest] = counted
        return counted

    def predict(self, text: str) -> Mapping[str, Prediction]:
        return self._neighbours.predict(text)

    def pairs(self, contest: Contest) -> Pairs:
        return self._pairs.get(contest, Pairs())

    def forget_model(self, model: str) -> None:
        """Drop the proofs of and against a model: for when its provider has changed it."""
        for contest in [each for each in self._pairs if model in (each.candidate, each.reference)]:
            del self._pairs[contest]

    def dump(self) -> bytes:
        """Return everything as JSON, without any text of a request."""
        pairs = [
            [
                contest.candidate,
                contest.reference,
                contest.segment,
                [it.both, it.candidate_only, it.reference_only, it.neither],
            ]
            for contest, it in self._pairs.items()
        ]
        whole = {"pairs": pairs, "neighbours": json.loads(self._neighbours.dump())}
        return json.dumps(whole, separators=(",", ":")).encode()

    def load(self, data: bytes) -> None:
        """Replace everything by what `dump` returned; nothing changes if it cannot be read.

        Raises:
            StorageCorrupt: the bytes are no dump of this version.
        """
        try:
            whole = cast("dict[str, Any]", json.loads(data))
            pairs = dict(_counted(*each) for each in whole["pairs"])
            neighbours = json.dumps(whole["neighbours"]).encode()
        except (ValueError, KeyError, TypeError) as error:
            raise StorageCorrupt(
                f"what was learned of models cannot be read: {error!r}",
                hint="delete it: it is learned again from judged answers",
            ) from error
        self._neighbours.load(neighbours)
        self._pairs = pairs


def _counted(
    candidate: str, reference: str, segment: str, counts: list[int]
) -> tuple[Contest, Pairs]:
    both, candidate_only, reference_only, neither = counts
    if min(counts) < 0:
        raise ValueError(f"a count below zero: {counts!r}")
    contest = Contest(candidate=candidate, reference=reference, segment=segment)
    pairs = Pairs(
        both=both,
        candidate_only=candidate_only,
        reference_only=reference_only,
        neither=neither,
    )
    return contest, pairs
