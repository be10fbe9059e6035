"""Money in whole numbers: msat, and millionths of a currency, by a dated rate. Pure.

A bitcoin is 100,000,000 sat of 1,000 msat each. What is not whole is rounded up, as a bill is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil

from holdfast.frozen import frozen
from holdfast.tracing.billing.prices import SAT

MSAT = 100_000_000_000
"""msat in a bitcoin."""


@frozen
class Amount:
    """What something cost: in msat and in millionths of a currency; None where that is unknown."""

    msat: int | None = None
    micros: int | None = None


class Exchange:
    """What a bitcoin was worth in a currency, by the day from which each rate holds."""

    def __init__(self, currency: str, rates: Mapping[date, Decimal]) -> None:
        self.currency = currency
        self._days = sorted(rates)
        self._rates = [Fraction(rates[day]) for day in self._days]

    def rate(self, at_ns: int) -> Fraction | None:
        """Return units of the currency a bitcoin at an instant, None before the first rate."""
        day = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).date()
        place = bisect_right(self._days, day)
        return self._rates[place - 1] if place else None

    def both(self, amount: Fraction, currency: str, at_ns: int) -> Amount:
        """Return an amount of `sat` or of our currency in both; of another one in neither."""
        rate = self.rate(at_ns)
        if currency == SAT:
            msat = amount * 1000
            micros = None if rate is None else ceil(msat * rate * 1_000_000 / MSAT)
            return Amount(msat=ceil(msat), micros=micros)
        if currency == self.currency:
            msat = None if not rate else ceil(amount * MSAT / rate)
            return Amount(msat=msat, micros=ceil(amount * 1_000_000))
        return Amount()


def without_exchange(amount: Fraction, currency: str) -> Amount:
    """Return an amount where nobody said what a bitcoin is worth."""
    if currency == SAT:
        return Amount(msat=ceil(amount * 1000))
    return Amount(micros=ceil(amount * 1_000_000))
