"""Learn how long answers are, by policy, model and class of request. In memory, bounded.

Providers charge by the token, so what a request will cost hangs on a length that nobody knows
before. The lengths of the last answers to alike requests say it well enough to choose and to reserve by.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from typing import Literal

from holdfast.frozen import frozen
from holdfast.routing.cost import cost_msat
from holdfast.routing.seam import Price, Usage

Source = Literal["request", "model", "all", "default"]

KEPT = 256
"""How many lengths are kept of each kind."""
ENOUGH = 8
"""From how many lengths on a kind speaks for itself."""
_MOST_KINDS = 2048
_CUT_OFF_GROWTH = 2


@frozen
class Sample:
    """Lengths in tokens, sorted. `source` says whether they are of alike requests or of wider ones."""

    lengths: tuple[int, ...]
    source: Source

    def quantile(self, part: float) -> int:
        """Return a length that `part` of the answers did not exceed; `part` lies between 0 and 1."""
        place = -int(-len(self.lengths) * part // 1) - 1
        return self.lengths[min(max(place, 0), len(self.lengths) - 1)]


DEFAULT = Sample(lengths=(50, 100, 150, 200, 300, 400, 600, 800, 1200, 2000), source="default")
"""What is believed of answers while none was seen: most are short, a few are not."""


class Lengths:
    """The last lengths of each kind of answer; the least recently learned kind is forgotten first."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[tuple[str, ...], _Window] = OrderedDict()

    def learn(
        self, policy: str, model: str, request_class: str, tokens: int, *, cut_off: bool = False
    ) -> None:
        """Take the length of an answer in.

        One that was cut off would have been longer: it counts as twice as long. Otherwise
        reservations that trim answers would teach that answers are as short as they were trimmed.
        """
        length = tokens * _CUT_OFF_GROWTH if cut_off else tokens
        for kind in _kinds(policy, model, request_class):
            window = self._kinds.pop(kind, None) or _Window()
            window.add(length)
            self._kinds[kind] = window
        while len(self._kinds) > _MOST_KINDS:
            self._kinds.popitem(last=False)

    def sample(self, policy: str, model: str, request_class: str) -> Sample:
        """Return lengths of alike answers, of the model's, of all, or what is believed by default."""
        sources: tuple[Source, ...] = ("request", "model", "all")
        for source, kind in zip(sources, _kinds(policy, model, request_class), strict=True):
            window = self._kinds.get(kind)
            if window is not None and len(window.lengths) >= ENOUGH:
                return Sample(lengths=tuple(window.lengths), source=source)
        return DEFAULT


def predict_cost(price: Price | None, input_tokens: int, sample: Sample) -> int | None:
    """Return what a request will cost if its answer is of the middle length; None if unpriced."""
    usage = Usage(input_tokens=input_tokens, output_tokens=sample.quantile(0.5))
    return cost_msat(price, usage)


class _Window:
    """The last lengths, also in order of size."""

    __slots__ = ("_order", "lengths")

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        self.lengths: list[int] = []

    def add(self, length: int) -> None:
        self._order.append(length)
        insort(self.lengths, length)
        if len(self._order) > KEPT:
            del self.lengths[bisect_left(self.lengths, self._order.popleft())]


def _kinds(policy: str, model: str, request_class: str) -> tuple[tuple[str, ...], ...]:
    return (policy, model, request_class), (model,), ()
