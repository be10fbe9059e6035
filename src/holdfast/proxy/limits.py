"""Rate limits: a bucket of tokens for each key, refilled evenly."""

from __future__ import annotations

from collections import OrderedDict

from holdfast.clock import Clock

_MOST = 10_000


class RateLimit:
    """At most `per_minute` requests of a key, and up to as many at once."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, key: str) -> int | None:
        """Count a request; return after how many seconds another may succeed if there were too many."""
        now_ns = self._clock.monotonic_ns()
        left, then_ns = self._buckets.get(key, (float(self._per_minute), now_ns))
        refill = self._per_minute / 60e9
        left = min(float(self._per_minute), left + (now_ns - then_ns) * refill)
        allowed = left >= 1
        self._buckets[key] = (left - 1 if allowed else left, now_ns)
        self._buckets.move_to_end(key)
        if len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return None if allowed else int((1 - left) / refill / 1e9) + 1
