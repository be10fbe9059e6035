"""How many requests a key may send: so many at once, and then as many as come back evenly."""

from __future__ import annotations

from holdfast.proxy.limits import RateLimit
from holdfast.testing.clock import ManualClock


def test_a_key_may_send_so_many_at_once_and_then_one_whenever_one_comes_back() -> None:
    clock = ManualClock()
    limit = RateLimit(6, clock)
    told = [limit.take("a") for _ in range(9)]
    assert told[:6] == [None] * 6
    assert all(seconds in {10, 11} for seconds in told[6:])
    clock.advance(9)
    assert limit.take("a") in {1, 2}
    clock.advance(1.001)
    assert [limit.take("a") is None for _ in range(2)] == [True, False]


def test_who_rests_for_long_may_send_no_more_at_once_than_before() -> None:
    clock = ManualClock()
    limit = RateLimit(2, clock)
    limit.take("a")
    clock.advance(86_400)
    assert [limit.take("a") is None for _ in range(3)] == [True, True, False]


def test_each_key_has_its_own_and_those_that_were_not_seen_for_longest_are_forgotten() -> None:
    limit = RateLimit(1, ManualClock())
    assert limit.take("first") is None
    assert all(limit.take(f"key {number}") is None for number in range(10_000))
    assert limit.take("key 9999") is not None
    assert limit.take("first") is None
