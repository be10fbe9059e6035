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


Rates = Mapping[date, Decimal]
"""Units of a currency a bitcoin, by the day from which each holds."""


class Exchange:
    """What a bitcoin was worth in a currency, and in `others`, by the day from which each rate holds."""

    def __init__(
        self, currency: str, rates: Rates, others: Mapping[str, Rates] | None = None
    ) -> None:
        self.currency = currency
        self._by_currency = {name: _Course(each) for name, each in (others or {}).items()}
        self._by_currency[currency] = _Course(rates)

    def rate(self, at_ns: int, currency: str | None = None) -> Fraction | None:
        """Return units of the currency (ours by default) a bitcoin at an instant, None if nobody says."""
        course = self._by_currency.get(currency or self.currency)
        return None if course is None else course.at(at_ns)

    def msat(self, amount: Fraction, currency: str, at_ns: int) -> Fraction | None:
        """Return an amount of a currency in msat, None where nobody says what it is worth."""
        rate = self.rate(at_ns, currency)
        return amount * MSAT / rate if rate else None

    def both(self, amount: Fraction, currency: str, at_ns: int) -> Amount:
        """Return an amount in msat and in our currency; None where nobody says what it is worth."""
        if currency == self.currency:
            msat = self.msat(amount, currency, at_ns)
            return Amount(
                msat=None if msat is None else ceil(msat), micros=ceil(amount * 1_000_000)
            )
        msat = amount * 1000 if currency == SAT else self.msat(amount, currency, at_ns)
        if msat is None:
            return Amount()
        rate = self.rate(at_ns)
        micros = None if rate is None else ceil(msat * rate * 1_000_000 / MSAT)
        return Amount(msat=ceil(msat), micros=micros)


class _Course:
    """What a bitcoin was worth in one currency."""

    def __init__(self, rates: Rates) -> None:
        self._days = sorted(rates)
        self._rates = [Fraction(rates[day]) for day in self._days]

    def at(self, at_ns: int) -> Fraction | None:
        """Return the rate of an instant, None before the first."""
        day = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).date()
        place = bisect_right(self._days, day)
        return self._rates[place - 1] if place else None


def without_exchange(amount: Fraction, currency: str) -> Amount:
    """Return an amount where nobody said what a bitcoin is worth."""
    if currency == SAT:
        return Amount(msat=ceil(amount * 1000))
    return Amount(micros=ceil(amount * 1_000_000))
