"""Which of many vectors are like one: exact cosine, over counts of features or over numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import itemgetter, mul
from typing import Final, Protocol

from holdfast.routing.quality.embedding import Vector

_ASKED: Final = 48
_count = itemgetter(0)
Ranked = Sequence[tuple[float, int]]
"""Similarities from -1 to 1 and the slots they belong to, best first."""


class Index(Protocol):
    """A bag of vectors under slots of the caller's."""

    def add(self, slot: int, vector: Vector) -> None:
        """Put a vector into a slot that is free."""
        ...

    def remove(self, slot: int) -> None:
        """Empty a slot."""
        ...

    def rank(self, vector: Vector) -> Ranked:
        """Return the slots that are like `vector` at all."""
        ...


class WordIndex:
    """Vectors of counted features, weighed by how rare a feature is (tf-idf).

    A query reads only the slots that share a feature with it. Features that nine tenths of the
    vectors have are left out of queries, and of the rest all but the rarest 48: they say little and cost
    most. The lengths of vectors are
    computed anew when the index has grown by half, so between that they are slightly out of date.
    """

    def __init__(self) -> None:
        self._vectors: dict[int, Mapping[int, float]] = {}
        self._holders: dict[int, dict[int, float]] = {}
        self._lengths: dict[int, float] = {}
        self._measured_at = 0

    def add(self, slot: int, vector: Vector) -> None:
        assert isinstance(vector, Mapping)
        self._vectors[slot] = vector
        for place, weight in vector.items():
            self._holders.setdefault(place, {})[slot] = weight
        self._lengths[slot] = self._length(vector)
        if len(self._vectors) > 1.5 * self._measured_at:
            self._measured_at = len(self._vectors)
            self._lengths = {each: self._length(it) for each, it in self._vectors.items()}

    def remove(self, slot: int) -> None:
        for place in self._vectors.pop(slot):
            holders = self._holders[place]
            del holders[slot]
            if not holders:
                del self._holders[place]
        del self._lengths[slot]

    def rank(self, vector: Vector) -> Ranked:
        assert isinstance(vector, Mapping)
        found: dict[int, float] = {}
        common = max(8, 9 * len(self._vectors) // 10)
        held = [
            (len(h), place, h) for place in vector if (h := self._holders.get(place)) is not None
        ]
        for count, place, holders in sorted(held, key=_count)[:_ASKED]:
            if count > common:
                break
            weight = vector[place]
            factor = weight * self._rarity(place) ** 2
            for slot, other in holders.items():
                found[slot] = found.get(slot, 0.0) + factor * other
        length = self._length(vector)
        lengths = self._lengths
        return sorted(
            ((dot / (length * lengths[slot]), slot) for slot, dot in found.items()), reverse=True
        )

    def _rarity(self, place: int) -> float:
        return math.log((len(self._vectors) + 1) / (len(self._holders.get(place, ())) + 0.5))

    def _length(self, vector: Mapping[int, float]) -> float:
        squares = ((weight * self._rarity(place)) ** 2 for place, weight in vector.items())
        return math.sqrt(sum(squares)) or 1.0


class NumberIndex:
    """Vectors of numbers as a trained embedder makes them; a query reads all of them."""

    def __init__(self) -> None:
        self._vectors: dict[int, Sequence[float]] = {}

    def add(self, slot: int, vector: Vector) -> None:
        self._vectors[slot] = _unit(vector)

    def remove(self, slot: int) -> None:
        del self._vectors[slot]

    def rank(self, vector: Vector) -> Ranked:
        unit = _unit(vector)
        return sorted(
            ((sum(map(mul, unit, other)), slot) for slot, other in self._vectors.items()),
            reverse=True,
        )


def make_index(vector: Vector) -> Index:
    """Return an empty index for vectors of the same kind."""
    return WordIndex() if isinstance(vector, Mapping) else NumberIndex()


def _unit(vector: Vector) -> Sequence[float]:
    assert not isinstance(vector, Mapping)
    length = math.sqrt(sum(map(mul, vector, vector))) or 1.0
    return [number / length for number in vector]
