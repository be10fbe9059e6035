"""Turn prices as others write them into msat for a million tokens. Pure, exact, safe with any input."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import ceil

from holdfast.frozen import frozen
from holdfast.tracing.billing.money import Exchange
from holdfast.tracing.billing.prices import SAT

MILLION = 1_000_000
PER: Mapping[str, int] = {"token": 1, "1k": 1000, "1m": MILLION, "request": 1}
_MSAT_A_SAT = 1000
_LARGEST, _SMALLEST = 15, -30
"""Powers of ten between which an amount must lie: beyond them it is a mistake, or an attack."""
_MOST_MSAT = 2**53
_MOST_WRITTEN = 64


@frozen
class Unit:
    """What an amount is in: `sat`, `msat` or a currency such as `USD`, for how many tokens."""

    money: str
    per: str = "1m"
    """`token`, `1k` or `1m`; `request` for a fee."""


def read_amount(value: object) -> Fraction:
    """Return an amount of JSON or TOML, a number or a number as text.

    Raises:
        ValueError: it is none, is not finite, is negative, or is too large or too small to be meant.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{_short(value)} is no number")  # noqa: TRY004 - all mistakes are the same
    if isinstance(value, str) and len(value) > _MOST_WRITTEN:
        raise ValueError(f"{_short(value)} is no price")
    try:
        amount = Decimal(value if isinstance(value, str) else str(value))
    except (InvalidOperation, ValueError):
        raise ValueError(f"{_short(value)} is no number") from None
    if not amount.is_finite():
        raise ValueError(f"{_short(value)} is not finite")
    if amount < 0:
        raise ValueError(f"{_short(value)} is negative")
    # Before the fraction is made: that of 1e-999999999 would fill the memory.
    if amount and not _SMALLEST <= amount.adjusted() <= _LARGEST:
        raise ValueError(f"{_short(value)} is beyond all prices")
    return Fraction(amount)


def to_msat(amount: Fraction, unit: Unit, *, exchange: Exchange | None, at_ms: int) -> int:
    """Return an amount in msat for a million tokens, or for a request, rounded up.

    Raises:
        ValueError: the unit is unknown, nobody says what its currency is worth on that day, or the
            result is beyond all prices.
    """
    if unit.per not in PER:
        raise ValueError(f"a price is for a {', a '.join(PER)}, not {unit.per!r}")
    msat = amount * _msat_of(unit.money, exchange, at_ms)
    if unit.per != "request":
        msat = msat * MILLION / PER[unit.per]
    if msat > _MOST_MSAT:
        raise ValueError(
            f"{unit.money} for a {unit.per}: {ceil(msat):.3g} msat is beyond all prices"
        )
    return ceil(msat)


def _msat_of(money: str, exchange: Exchange | None, at_ms: int) -> Fraction:
    if money == SAT:
        return Fraction(_MSAT_A_SAT)
    if money == "msat":
        return Fraction(1)
    msat = None if exchange is None else exchange.msat(Fraction(1), money, at_ms * MILLION)
    if msat is None:
        raise ValueError(f"nobody says what a bitcoin is worth in {money} on that day")
    return msat


def _short(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**_MOST_WRITTEN:
        return "a number of very many digits"
    text = repr(value)
    return text if len(text) <= _MOST_WRITTEN else f"{text[:_MOST_WRITTEN]}…"
