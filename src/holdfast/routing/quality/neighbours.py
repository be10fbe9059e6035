"""A chooser that learns: how well did each model do on the requests that are most like this one?

Nearest neighbours, because a small set of judged answers is enough to begin with, nothing has to
be trained, and published comparisons find little better (RouterBench, 2024; CARROT, 2025).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from holdfast.errors import UsageError
from holdfast.frozen import frozen
from holdfast.routing.quality.embedding import Embedder, HashedWords, Vector, shape_of
from holdfast.routing.quality.evidence import Outcome, Prediction
from holdfast.routing.quality.similarity import Index, make_index

_PRIOR: Final = 1.0  # texts' worth of the model's mean that each prediction begins with


@frozen
class Point:
    """Where a text lies, without the text: `key` is its hash."""

    key: str
    vector: Vector


@dataclass(slots=True, kw_only=True)
class _Record:
    """What one model did on one text."""

    good: int = 0
    bad: int = 0
    cost_msat: int = 0
    priced: int = 0

    @property
    def answers(self) -> int:
        return self.good + self.bad


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A text that was answered. The text itself is not kept, only its hash and its vector."""

    key: str
    vector: Vector
    at: int = 0
    records: dict[str, _Record] = field(default_factory=dict[str, _Record])


class Neighbours:
    """Judged answers by text, and predictions from those that are nearest.

    At most `capacity` texts are kept: beyond that each new text takes the place of a random one
    with the probability that leaves every text seen equally likely to be kept (reservoir
    sampling, algorithm R, Vitter 1985). A prediction rests on the `nearest` texts on which the
    model was judged, each weighed by its similarity; few of them are drawn towards the model's mean.

    Raises:
        UsageError: `capacity` or `nearest` is below 1.
    """

    def __init__(
        self,
        *,
        random: Random,
        embedder: Embedder | None = None,
        capacity: int = 2000,
        nearest: int = 40,
    ) -> None:
        if capacity < 1 or nearest < 1:
            raise UsageError(
                f"nearest neighbours need room for at least one text and one neighbour, not "
                f"{capacity} and {nearest}"
            )
        self._random = random
        self._embedder = embedder or HashedWords()
        self._capacity = capacity
        self._nearest = nearest
        self._entries: list[_Entry] = []
        self._slots: dict[str, int] = {}
        self._index: Index | None = None
        self._seen = 0
        self._totals: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def point(self, text: str) -> Point:
        """Return where a text lies. It looks at nothing else here, so that any thread may call it."""
        [vector] = self._embedder.embed([text])
        return Point(key=_key(text), vector=vector)

    def learn(self, outcome: Outcome) -> None:
        """Take in one judged answer."""
        point = self.point(outcome.text)
        self.learn_at(
            point, outcome.model, good=outcome.good, cost_msat=outcome.cost_msat, at=outcome.at
        )

    def learn_at(
        self, point: Point, model: str, *, good: bool, cost_msat: int | None = None, at: int = 0
    ) -> None:
        """Take in one judged answer to a text that lies there.

        A point that another kind of embedder made is passed over.
        """
        if self._entries and shape_of(point.vector) != shape_of(self._entries[0].vector):
            return
        slot = self._slots.get(point.key)
        if slot is None:
            slot = self._place()
            if slot is None:
                return
            self._put(slot, _Entry(key=point.key, vector=point.vector))
        entry = self._entries[slot]
        entry.at = max(entry.at, at)
        record = entry.records.setdefault(model, _Record())
        record.good += good
        record.bad += not good
        if cost_msat is not None:
            record.cost_msat += cost_msat
            record.priced += 1
        self._count(model, int(good), 1)

    def predict(self, text: str) -> Mapping[str, Prediction]:
        """Return what is to be expected of each model that was judged on texts like this one."""
        return {} if self._index is None else self.predict_at(self.point(text))

    def predict_at(self, point: Point) -> Mapping[str, Prediction]:
        """Return the same for a text that lies there."""
        sums: dict[str, _Sum] = {}
        full = 0
        is_like = self._entries and shape_of(point.vector) == shape_of(self._entries[0].vector)
        ranked = self._index.rank(point.vector) if self._index is not None and is_like else ()
        for similarity, slot in ranked:
            if similarity <= 0 or full == len(self._totals):
                break
            for model, record in self._entries[slot].records.items():
                found = sums.setdefault(model, _Sum())
                if found.texts < self._nearest:
                    found.add(similarity, record)
                    full += found.texts == self._nearest
        return {model: found.prediction(self._mean(model)) for model, found in sums.items()}

    def forget(self, before: int) -> int:
        """Drop the texts that were last judged before a time in ms; return how many."""
        kept = [entry for entry in self._entries if entry.at >= before]
        dropped = len(self._entries) - len(kept)
        if dropped:
            self._fill(kept)
        return dropped

    def _place(self) -> int | None:
        """Return the slot for a new text, None if it is not kept."""
        self._seen += 1
        if len(self._entries) < self._capacity:
            return len(self._entries)
        slot = self._random.randrange(self._seen)
        return slot if slot < self._capacity else None

    def _put(self, slot: int, entry: _Entry) -> None:
        if self._index is None:
            self._index = make_index(entry.vector)
        if slot == len(self._entries):
            self._entries.append(entry)
        else:
            gone = self._entries[slot]
            del self._slots[gone.key]
            self._index.remove(slot)
            for model, record in gone.records.items():
                self._count(model, -record.good, -record.answers)
            self._entries[slot] = entry
        self._slots[entry.key] = slot
        self._index.add(slot, entry.vector)

    def _fill(self, entries: list[_Entry]) -> None:
        self._entries, self._slots, self._index, self._totals = [], {}, None, {}
        for slot, entry in enumerate(entries):
            self._put(slot, entry)
            for model, record in entry.records.items():
                self._count(model, record.good, record.answers)

    def _count(self, model: str, good: int, answers: int) -> None:
        total = self._totals.setdefault(model, [0, 0])
        total[0] += good
        total[1] += answers
        if not total[1]:
            del self._totals[model]

    def _mean(self, model: str) -> float:
        good, answers = self._totals[model]
        return good / answers


@dataclass(slots=True)
class _Sum:
    """What the nearest texts say of one model."""

    texts: int = 0
    answers: int = 0
    weight: float = 0.0
    good: float = 0.0
    cost_msat: int = 0
    priced: int = 0

    def add(self, weight: float, record: _Record) -> None:
        self.texts += 1
        self.answers += record.answers
        self.weight += weight
        self.good += weight * record.good / record.answers
        self.cost_msat += record.cost_msat
        self.priced += record.priced

    def prediction(self, mean: float) -> Prediction:
        seen = self.texts * self.good / self.weight
        quality = (seen + _PRIOR * mean) / (self.texts + _PRIOR)
        cost = round(self.cost_msat / self.priced) if self.priced else None
        return Prediction(quality=quality, evidence=self.answers, cost_msat=cost)


def _key(text: str) -> str:
    data = text.encode("utf-8", "backslashreplace")
    return hashlib.blake2b(data, digest_size=16).hexdigest()
