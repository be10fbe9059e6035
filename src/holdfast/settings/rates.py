"""Read amounts of money whose key says their unit: `input_sats_per_million`, `output_usd_per_1k`, `day_eur`.

Everything becomes whole msat when the settings are read: what is in sats exactly or not at all, what is
in a currency by the rate of that day, rounded up as a bill is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from holdfast.clock import Clock, SystemClock
from holdfast.frozen import NamedTuple
from holdfast.settings.reader import Section
from holdfast.settings.values import as_amount

if TYPE_CHECKING:
    from holdfast.settings.tracing import MoneySettings

_MONEY: Final = "(?P<money>[a-z]{3}|sats|msats?)"
_RATE: Final = re.compile(_MONEY + "_per_(?P<per>million|1m|1k)")
_FEE: Final = re.compile(_MONEY)
_MSAT: Final = {"sat": 1000, "sats": 1000, "msat": 1, "msats": 1}
_A_MILLION: Final = {"million": 1, "1m": 1, "1k": 1000}


class Worth:
    """What currencies are worth on the day on which the settings are read."""

    def __init__(self, money: MoneySettings | None, clock: Clock | None = None) -> None:
        self._money = money
        self._clock = clock or SystemClock()

    def msat(self, amount: object, currency: str, per: str) -> int:
        """Return an amount for a million tokens, or for a request, in msat, rounded up.

        Raises:
            ValueError: nobody says what the currency is worth on that day, or it is beyond all prices.
        """
        from holdfast.routing.prices.units import Unit, read_amount, to_msat  # noqa: PLC0415 - rare
        from holdfast.settings.tracing import exchange_from  # noqa: PLC0415 - as above

        exchange = None if self._money is None else exchange_from(self._money)
        unit = Unit(money=currency, per=per)
        try:
            return to_msat(read_amount(amount), unit, exchange=exchange, at_ms=self._clock.now_ms())
        except ValueError as error:
            hint = f"[money] has no rate of {currency} for today: add one to bitcoin or bitcoin_in"
            is_known = exchange is not None and exchange.rate(
                self._clock.now_ms() * 1_000_000, currency
            )
            raise ValueError(str(error) if is_known else f"{error}; {hint}") from None


class _Found(NamedTuple):
    key: str
    money: str
    per: str


def take_rate(section: Section, stem: str, worth: Worth) -> int | None:
    """Return a price as msat for a million tokens, from the key that is `stem` with a unit; None for none."""
    return _take(section, stem, _RATE, f"{stem}_sats_per_million", worth)


def take_fee(section: Section, stem: str, worth: Worth) -> int | None:
    """Return an amount as msat, from the key that is `stem` with a unit; None for none."""
    return _take(section, stem, _FEE, f"{stem}_sats", worth)


def _take(
    section: Section, stem: str, unit: re.Pattern[str], usual: str, worth: Worth
) -> int | None:
    section.take(usual, lambda _: None, None)  # so that it is a known key, whatever is written
    found = list(_keys(section, stem, unit))
    for each in found[1:]:
        section.problem(each.key, f"says the same as {found[0].key} in another unit: leave one out")
    taken = [section.take(each.key, lambda v, e=each: _msat(v, e, worth), None) for each in found]
    return taken[0] if taken else None


def _keys(section: Section, stem: str, unit: re.Pattern[str]) -> Iterator[_Found]:
    for key in section.table:
        match = unit.fullmatch(key[len(stem) + 1 :]) if key.startswith(f"{stem}_") else None
        if match is not None:
            said = match.groupdict()
            yield _Found(key, said["money"], said.get("per", ""))


def _msat(value: object, found: _Found, worth: Worth) -> int:
    """Return what a key says in msat."""
    from fractions import Fraction  # noqa: PLC0415 - only where there are prices

    amount = as_amount(value)
    if found.money not in _MSAT:
        per = {"1k": "1k", "": "request"}.get(found.per, "1m")
        return worth.msat(amount, found.money.upper(), per)
    msat = Fraction(amount) * _MSAT[found.money] * _A_MILLION.get(found.per, 1)
    if msat.denominator != 1:
        raise ValueError(
            "is no whole number of msat (thousandths of a sat)"
            + (" for a million tokens" if found.per else "")
        )
    return int(msat)
