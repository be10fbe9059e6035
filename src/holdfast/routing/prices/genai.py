"""Ask the table of prices of the package `genai-prices`, if it is installed (`holdfast[prices]`)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from holdfast.clock import Clock
from holdfast.routing.prices.quotes import Quote
from holdfast.routing.prices.units import Unit, to_msat
from holdfast.routing.seam import Price
from holdfast.tracing.billing.money import Exchange

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

_MEMBERS = {
    "input_msat_per_million": "input_mtok",
    "output_msat_per_million": "output_mtok",
    "cache_read_msat_per_million": "cache_read_mtok",
    "cache_write_msat_per_million": "cache_write_mtok",
    "reasoning_msat_per_million": "output_reasoning_mtok",
}
"""Members of a price, and what the package calls them: USD for a million tokens."""
_MAKER = ""
"""In a quote of what a model costs at its maker: no provider of a project is called so."""


class GenaiPrices:
    """Prices of the package as it was installed: it is not asked to look for newer ones.

    A provider is known by its address, or by its name where that is one of the package (`openai`). What
    a model costs at its maker's says nothing about others who serve it, so these have no price. The
    first question loads the package, which takes half a second: ask one before the first request.
    """

    def __init__(
        self, exchange: Exchange | None, clock: Clock, addresses: Mapping[str, str] | None = None
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._addresses = addresses or {}

    def quote(self, provider: str, model: str) -> Quote | None:
        """Return what the table says; None without the package, a rate, or an entry.

        A price that rises with the length of the input is that of short ones; the note says so.
        """
        return self._quote(model, provider, self._addresses.get(provider))

    def of_maker(self, model: str) -> Quote | None:
        """Return what a model costs at its maker; others write its name with that of the maker."""
        return self._quote(model) or self._quote(model.rpartition("/")[2])

    def _quote(
        self, model: str, provider: str | None = None, address: str | None = None
    ) -> Quote | None:
        now = self._clock.now_ms()
        found = _find(model, now, provider, address)
        if found is None:
            return None
        try:
            price, tiered = self._price(found, now)
        except ValueError:
            return None
        note = "dearer for long inputs" if tiered else ""
        whose = provider or _MAKER
        return Quote(
            provider=whose, model=model, price=price, source="genai-prices", at_ms=now, note=note
        )

    def _price(self, found: ModelPrice, now: int) -> tuple[Price, bool]:
        tiered = False
        rates: dict[str, int] = {}
        for member, name in _MEMBERS.items():
            rate = getattr(found, name, None)
            if rate is None:
                continue
            if not isinstance(rate, Decimal):  # tiers by the length of the input
                tiered, rate = True, rate.base
            rates[member] = self._msat(rate, "1m", now)
        if not {"input_msat_per_million", "output_msat_per_million"} <= rates.keys():
            raise ValueError("no price for tokens")
        thousand = getattr(found, "requests_kcount", None)
        fee = self._msat(thousand / 1000, "request", now) if isinstance(thousand, Decimal) else 0
        return Price(**rates, request_msat=fee), tiered

    def _msat(self, usd: Decimal, per: str, now: int) -> int:
        unit = Unit(money="USD", per=per)
        return to_msat(Fraction(usd), unit, exchange=self._exchange, at_ms=now)


def _find(model: str, now_ms: int, provider: str | None, address: str | None) -> ModelPrice | None:
    """Return the package's own record of prices, None if it has none or is not installed."""
    try:
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - 155 ms, and an extra
    except ImportError:
        return None
    usage, at = Usage(input_tokens=0, output_tokens=0), datetime.fromtimestamp(now_ms / 1000, UTC)
    ask = partial(calc_price, usage, model, genai_request_timestamp=at)
    with suppress(LookupError):
        if address:
            return ask(provider_api_url=address).model_price
        return ask(provider_id=provider).model_price
    return None
