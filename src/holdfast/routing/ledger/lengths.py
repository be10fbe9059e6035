"""Learn how long answers are, by policy, model and class of request. In memory, bounded.

Providers charge by the token, so what a request will cost hangs on a length that nobody knows
before. The lengths of the last answers to alike requests say it well enough to choose and to reserve by.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from typing import Literal

from holdfast.frozen import frozen, maker
from holdfast.routing.cost import cost_msat
from holdfast.routing.seam import Price, Usage

Source = Literal["request", "model", "all", "default"]

KEPT = 256
"""How many lengths are kept of each kind."""
ENOUGH = 8
"""From how many lengths on a kind speaks for itself."""
_SOURCES: tuple[Source, ...] = ("request", "model", "all")
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


_sample = maker(Sample)
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
        kinds = self._kinds
        for kind in _kinds(policy, model, request_class):
            window = kinds.get(kind)
            if window is None:
                window = kinds[kind] = _Window()
            else:
                kinds.move_to_end(kind)
            window.add(length)
        while len(kinds) > _MOST_KINDS:
            kinds.popitem(last=False)

    def sample(self, policy: str, model: str, request_class: str) -> Sample:
        """Return lengths of alike answers, of the model's, of all, or what is believed by default."""
        for source, kind in zip(_SOURCES, _kinds(policy, model, request_class), strict=True):
            window = self._kinds.get(kind)
            if window is not None and (known := window.sample(source)) is not None:
                return known
        return DEFAULT


def predict_cost(price: Price | None, input_tokens: int, sample: Sample) -> int | None:
    """Return what a request will cost if its answer is of the middle length; None if unpriced."""
    usage = Usage(input_tokens=input_tokens, output_tokens=sample.quantile(0.5))
    return cost_msat(price, usage)


class _Window:
    """The last lengths, also in order of size."""

    __slots__ = ("_lengths", "_order", "_sample")

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        self._lengths: list[int] = []
        self._sample: Sample | None = None

    def add(self, length: int) -> None:
        self._order.append(length)
        insort(self._lengths, length)
        if len(self._order) > KEPT:
            del self._lengths[bisect_left(self._lengths, self._order.popleft())]
        self._sample = None

    def sample(self, source: Source) -> Sample | None:
        """Return the lengths as those of a source, None while they are too few."""
        if self._sample is None and len(self._lengths) >= ENOUGH:
            self._sample = _sample(lengths=tuple(self._lengths), source=source)
        return self._sample


def _kinds(policy: str, model: str, request_class: str) -> tuple[tuple[str, ...], ...]:
    return (policy, model, request_class), (model,), ()
