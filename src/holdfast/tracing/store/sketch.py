"""A sketch of many durations that answers quantiles within one per cent.

Source: DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
relative-error guarantees", VLDB 2019), with buckets that are never collapsed: durations from a
nanosecond to a century need 2,100 of them at most. Counts can be taken out again, so that a trace
that changes is not counted twice.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from typing import Final, Self

ACCURACY: Final = 0.01
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_PER_LOG = 1 / math.log(_GAMMA)
_BUCKET = struct.Struct("<iq")


class Sketch:
    """Counts of durations in buckets whose bounds grow by two per cent. 0 has its own: -1."""

    __slots__ = ("buckets",)

    def __init__(self, buckets: Mapping[int, int] | None = None) -> None:
        self.buckets = dict(buckets or {})

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Return the sketch that `dump` wrote."""
        return cls(dict(_BUCKET.iter_unpack(data)))

    def dump(self) -> bytes:
        """Return the sketch as bytes, without empty buckets."""
        return b"".join(
            _BUCKET.pack(bucket, count) for bucket, count in sorted(self.buckets.items()) if count
        )

    def add(self, value: int, count: int = 1) -> None:
        """Count a duration in nanoseconds; a negative `count` takes it out again."""
        bucket = bucket_of(value)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + count

    def merge(self, others: Iterable[Sketch]) -> Self:
        """Add all counts of others."""
        mine = self.buckets
        for other in others:
            for bucket, count in other.buckets.items():
                mine[bucket] = mine.get(bucket, 0) + count
        return self

    @property
    def count(self) -> int:
        """How many durations it holds."""
        return sum(self.buckets.values())

    def quantiles(self, shares: Iterable[float]) -> list[float]:
        """Return the duration below which each share of all lies; `shares` grow. 0 if it is empty."""
        ordered = sorted((bucket, count) for bucket, count in self.buckets.items() if count > 0)
        last = sum(count for _, count in ordered) - 1
        found: list[float] = []
        place, seen = 0, 0
        for share in shares:
            rank = share * last
            while place < len(ordered) - 1 and seen + ordered[place][1] <= rank:
                seen += ordered[place][1]
                place += 1
            found.append(_middle(ordered[place][0]) if ordered else 0.0)
        return found


def bucket_of(value: int) -> int:
    """Return the bucket of a duration."""
    return math.ceil(math.log(value) * _PER_LOG) if value > 0 else -1


def _middle(bucket: int) -> float:
    """Return the value that is within the accuracy of all that a bucket holds."""
    return 0.0 if bucket < 0 else 2 * _GAMMA**bucket / (_GAMMA + 1)
