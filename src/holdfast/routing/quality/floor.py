"""The quality floor: a cheaper model serves only once it is shown to be good enough.

The promise is `q >= floor * r`, with `q` the share of good answers of a candidate and `r` that of
the reference model on the same requests. It rests on pairs: requests that both models answered.
With `c` and `f` (0 or 1) for a good answer of candidate and reference, `d = c - floor * f` has a
mean below zero wherever the promise does not hold. Then a gambler who bets a share `b` of their
money on each pair, `money *= 1 + b * d`, cannot expect to win; by Ville's inequality the money
ever reaches `1 / alpha` times the stake with a probability of at most `alpha`, however often one
looks (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", 2024).
The money is spread over a fixed grid of shares, so it depends on the four counts of pairs alone.

Requests that only one of the two models answered are compared by two confidence sequences from a
beta mixture (Robbins, 1970; Howard et al., "Time-uniform confidence sequences", 2021). They say
something about the models only if chance decided who answered.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from holdfast.errors import UsageError

_GRID: Final = 40
_PLANNED: Final = 0.9  # the quality that both models are supposed to have while nothing is known
MOST_PAIRS: Final = 1000
"""How many pairs are counted before older ones begin to fade, so that a model which gets worse is noticed."""


class Standing(Enum):
    """What the evidence says of a candidate."""

    SHOWN = "shown"
    """It is good enough, with the confidence that was asked for."""
    OPEN = "open"
    """Not enough data either way: the reference serves."""
    REFUTED = "refuted"
    """It is not good enough, with the same confidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """How often candidate and reference answered the same request well."""

    both: int = 0
    candidate_only: int = 0
    reference_only: int = 0
    neither: int = 0

    @property
    def count(self) -> int:
        """How many requests both models answered."""
        return self.both + self.candidate_only + self.reference_only + self.neither

    def add(self, *, candidate: bool, reference: bool) -> Pairs:
        """Return these and one more."""
        return Pairs(
            both=self.both + (candidate and reference),
            candidate_only=self.candidate_only + (candidate and not reference),
            reference_only=self.reference_only + (reference and not candidate),
            neither=self.neither + (not candidate and not reference),
        )

    def take_out(self, *, candidate: bool, reference: bool) -> Pairs:
        """Return these without one, as far as it is still counted."""
        return Pairs(
            both=max(0, self.both - (candidate and reference)),
            candidate_only=max(0, self.candidate_only - (candidate and not reference)),
            reference_only=max(0, self.reference_only - (reference and not candidate)),
            neither=max(0, self.neither - (not candidate and not reference)),
        )

    def halve(self) -> Pairs:
        """Return half of each count, so that what comes weighs more than what was."""
        return Pairs(
            both=self.both // 2,
            candidate_only=self.candidate_only // 2,
            reference_only=self.reference_only // 2,
            neither=self.neither // 2,
        )


NO_PAIRS: Final = Pairs()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many of a model's answers were good."""

    good: int = 0
    bad: int = 0

    @property
    def count(self) -> int:
        """How many answers were judged."""
        return self.good + self.bad


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What is asked of a candidate: a share of the reference's quality, and the risk of error.

    `alpha` is the greatest probability of ever serving a candidate that is not good enough, for
    each candidate by itself. Both models answer a share of the requests: `prove_share` while the reference
    serves and a candidate waits for its proof, `check_share` once a candidate serves, and `recheck_share`
    for candidates that were found not good enough, as they may have become better.

    Raises:
        UsageError: a number is out of its range.
    """

    min_quality: float = 0.97
    alpha: float = 0.05
    check_share: float = 0.02
    prove_share: float = 0.1
    recheck_share: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.min_quality <= 1:
            raise UsageError(
                f"min_quality is a share of the reference's quality above 0 and at most 1, not "
                f"{self.min_quality!r}",
                hint="0.97 asks for at most three in a hundred good answers less",
            )
        if not 0 < self.alpha < 1:
            raise UsageError(
                f"alpha is a probability between 0 and 1, not {self.alpha!r}",
                hint="0.05 is wrong about one candidate in twenty at most",
            )
        for name in ("check_share", "prove_share", "recheck_share"):
            share: float = getattr(self, name)
            if not 0 <= share <= 1:
                raise UsageError(
                    f"{name} is a share from 0 to 1, not {share!r}",
                    hint="0.02 asks both models for every fiftieth request",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether a candidate was shown good enough, and by how much evidence.

    `needed` is about how many judged requests it takes if the models go on as they did; None if
    they would never show it.
    """

    standing: Standing
    evidence: int
    needed: int | None
    reason: str


def judge_pairs(pairs: Pairs, floor: Floor) -> Judgement:
    """Return what requests that both models answered say; valid however often it is asked."""
    return _judge_counts(
        pairs.both,
        pairs.candidate_only,
        pairs.reference_only,
        pairs.neither,
        floor.min_quality,
        floor.alpha,
    )


@lru_cache(maxsize=4096)
def _judge_counts(
    both: int,
    candidate_only: int,
    reference_only: int,
    neither: int,
    min_quality: float,
    alpha: float,
) -> Judgement:
    pairs = Pairs(
        both=both,
        candidate_only=candidate_only,
        reference_only=reference_only,
        neither=neither,
    )
    floor = Floor(min_quality=min_quality, alpha=alpha)
    match stand(pairs, floor):
        case Standing.SHOWN:
            return _shown(pairs.count, floor)
        case Standing.REFUTED:
            return _refuted(pairs.count, floor)
        case Standing.OPEN:
            return _open(pairs.count, _needed(pairs, floor), floor)


def stand(pairs: Pairs, floor: Floor) -> Standing:
    """Return where a candidate stands, without the estimate of what is missing."""
    goal = -math.log(floor.alpha)
    if _log_money(pairs, floor.min_quality, 1) >= goal:
        return Standing.SHOWN
    if _log_money(pairs, floor.min_quality, -1) >= goal:
        return Standing.REFUTED
    return Standing.OPEN


def fade(pairs: Pairs, floor: Floor) -> Pairs:
    """Return pairs that are not more than `MOST_PAIRS`, older ones counting less.

    They are halved only where the money that was bet on the candidate does not grow by it, so that the
    promise holds as before. A wrong refutation may become likelier: it costs money, not quality.
    """
    if pairs.count < MOST_PAIRS:
        return pairs
    half, share = pairs.halve(), floor.min_quality
    return pairs if _log_money(half, share, 1) > _log_money(pairs, share, 1) else half


def judge_tallies(candidate: Tally, reference: Tally, floor: Floor) -> Judgement:
    """Return what separate answers say, if chance decided which model got which request.

    `evidence` counts the answers of the one that has fewer. Valid however often it is asked.
    """
    evidence = min(candidate.count, reference.count)
    low, high = confidence(candidate, floor.alpha / 2)
    reference_low, reference_high = confidence(reference, floor.alpha / 2)
    if low >= floor.min_quality * reference_high:
        return _shown(evidence, floor)
    if high < floor.min_quality * reference_low:
        return _refuted(evidence, floor)
    return _open(evidence, _needed_apart(candidate, reference, floor), floor)


def confidence(tally: Tally, alpha: float) -> tuple[float, float]:
    """Return bounds of a share of good answers that hold at all times with `1 - alpha`."""
    count = tally.count
    if not count:
        return 0.0, 1.0
    mixture = math.lgamma(tally.good + 1) + math.lgamma(tally.bad + 1) - math.lgamma(count + 2)
    limit = mixture + math.log(alpha)

    def is_inside(share: float) -> bool:
        return _times_log(tally.good, share) + _times_log(tally.bad, 1 - share) > limit

    middle = tally.good / count
    low = 0.0 if is_inside(0.0) else _edge(is_inside, middle, 0.0)
    high = 1.0 if is_inside(1.0) else _edge(is_inside, middle, 1.0)
    return low, high


def is_sampled(request_id: str, share: float) -> bool:
    """Whether a request is one of the share that is checked; the same request always is or not."""
    return lot(request_id) < share * 2**64


def lot(text: str) -> int:
    """Return a number below 2**64 that is as good as chance, always the same for a text."""
    digest = hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def _log_money(pairs: Pairs, share: float, side: int) -> float:
    """Return the logarithm of what a stake of 1 has become by betting on (1) or against (-1)."""
    money = [
        pairs.both * both + pairs.candidate_only * candidate + pairs.reference_only * reference
        for both, candidate, reference in _factors(share, side)
    ]
    top = max(money)
    return top + math.log(sum(math.exp(each - top) for each in money) / _GRID)


@lru_cache(maxsize=64)
def _factors(share: float, side: int) -> tuple[tuple[float, float, float], ...]:
    """Return for each bet of the grid the logarithms of what it makes of the three kinds of pair.

    No bet is so great that one pair could take everything. Pairs of two bad answers change nothing.
    """
    most = 1 / share if side > 0 else 1.0
    bets = (side * most * step / (_GRID + 1) for step in range(1, _GRID + 1))
    return tuple(
        (math.log1p(bet * (1 - share)), math.log1p(bet), math.log1p(-bet * share)) for bet in bets
    )


def _times_log(count: int, factor: float) -> float:
    if not count:
        return 0.0
    return count * math.log(factor) if factor > 0 else -math.inf


def _needed(pairs: Pairs, floor: Floor) -> int | None:
    """Return about how many pairs it takes if the next are like those so far."""

    def is_enough(count: int) -> bool:
        times = count / supposed.count
        more = Pairs(
            both=round(supposed.both * times),
            candidate_only=round(supposed.candidate_only * times),
            reference_only=round(supposed.reference_only * times),
        )
        return _log_money(more, floor.min_quality, 1) >= -math.log(floor.alpha)

    # Ten pairs of equal models are mixed in, so that a first failure is not yet a rate.
    both, neither = round(_PLANNED * 10), round((1 - _PLANNED) * 10)
    supposed = Pairs(
        both=pairs.both + both,
        candidate_only=pairs.candidate_only,
        reference_only=pairs.reference_only,
        neither=pairs.neither + neither,
    )
    return _first(is_enough, pairs.count + 1)


def _needed_apart(candidate: Tally, reference: Tally, floor: Floor) -> int | None:
    share = (candidate.good + 9) / (candidate.count + 10)
    wanted = (reference.good + 9) / (reference.count + 10)

    def is_enough(count: int) -> bool:
        good, other = round(count * share), round(count * wanted)
        low, _ = confidence(Tally(good=good, bad=count - good), floor.alpha / 2)
        _, high = confidence(Tally(good=other, bad=count - other), floor.alpha / 2)
        return low >= floor.min_quality * high

    return _first(is_enough, min(candidate.count, reference.count) + 1)


def _first(is_enough: Callable[[int], bool], least: int) -> int | None:
    """Return about the first count that is enough, None above ten million."""
    high = least
    while not is_enough(high):
        high *= 2
        if high > 10_000_000:
            return None
    low = max(least, high // 2)
    while high - low > max(1, low // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _edge(is_inside: Callable[[float], bool], inside: float, outside: float) -> float:
    for _ in range(50):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if is_inside(middle) else (inside, middle)
    return outside


def _shown(count: int, floor: Floor) -> Judgement:
    return Judgement(
        standing=Standing.SHOWN,
        evidence=count,
        needed=count,
        reason=f"shown to reach {floor.min_quality:g} of the reference by {count} requests",
    )


def _refuted(count: int, floor: Floor) -> Judgement:
    return Judgement(
        standing=Standing.REFUTED,
        evidence=count,
        needed=None,
        reason=f"shown to stay below {floor.min_quality:g} of the reference by {count} requests",
    )


def _open(count: int, needed: int | None, floor: Floor) -> Judgement:
    about = f"about {needed} needed" if needed is not None else "it does not look good enough"
    return Judgement(
        standing=Standing.OPEN,
        evidence=count,
        needed=needed,
        reason=f"not enough data for {floor.min_quality:g} of the reference: {count} requests, "
        f"{about}",
    )
