"""What tokens cost: prices by model and date, and the price of a usage. Pure.

An unknown price is unknown and never zero; so is a usage of which one member has no price.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Protocol, cast

from holdfast.errors import SettingsError
from holdfast.frozen import field, frozen, members_of
from holdfast.tracing.meaning import TokenUsage

SAT = "sat"
_MOST_EXPONENT = 30
MEMBERS = tuple(member.name for member in members_of(TokenUsage))
_LIKE = {
    "cache_write_1h": "cache_write",
    "reasoning": "output",
    "image_input": "input",
}
"""Members that cost as much as another one unless they have a price of their own."""


@frozen
class ModelPrice:
    """What a model costs from a day on: for a million tokens of each member, and for a request.

    `currency` is `sat` or a code such as `USD`; amounts are exact, in units of it.
    """

    currency: str
    per_million: Mapping[str, Fraction] = field(default_factory=dict[str, Fraction])
    request: Fraction = Fraction(0)
    since: date = date.min

    def price(self, usage: TokenUsage) -> Fraction | None:
        """Return what a usage costs in units of the currency; None if that cannot be known."""
        if usage.input is None and usage.output is None:
            return None
        amount = self.request
        for name in MEMBERS:
            tokens = getattr(usage, name)
            if tokens:
                rate = self.rate(name)
                if rate is None:
                    return None
                amount += rate * tokens / 1_000_000
        return amount

    def rate(self, member: str) -> Fraction | None:
        """Return what a million tokens of a member cost."""
        found = self.per_million.get(member)
        if found is None and member in _LIKE:
            found = self.per_million.get(_LIKE[member])
        return found


class PriceBook(Protocol):
    """Where prices come from."""

    def price_of(self, provider: str, model: str, at_ns: int) -> ModelPrice | None:
        """Return the price of a model at an instant of the epoch, None if nobody knows it."""
        ...


class PriceTable:
    """Prices by `provider/model`, or by `model` whoever serves it, each with its days."""

    def __init__(self, prices: Mapping[str, Iterable[ModelPrice]]) -> None:
        self._prices: dict[str, Sequence[ModelPrice]] = {
            name: sorted(each, key=lambda price: price.since, reverse=True)
            for name, each in prices.items()
        }

    def price_of(self, provider: str, model: str, at_ns: int) -> ModelPrice | None:
        day = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).date()
        for name in (f"{provider}/{model}", model):
            for price in self._prices.get(name, ()):
                if price.since <= day:
                    return price
        return None

    @classmethod
    def read(cls, tables: Mapping[str, object]) -> PriceTable:
        """Return the prices in tables of settings.

        For instance `{"openai/gpt-5": {"currency": "USD", "input": 1.25, "output": 10, "cache_read": 0.125}}`;
        a list of such tables with `since` for prices that changed.

        Raises:
            SettingsError: everything that is wrong, each with its model.
        """
        faults: list[str] = []
        prices: dict[str, list[ModelPrice]] = {}
        for name, entry in tables.items():
            entries = cast("list[object]", entry) if isinstance(entry, list) else [entry]
            for each in entries:
                try:
                    prices.setdefault(name, []).append(_read(each))
                except ValueError as error:
                    faults.append(f"prices.{name}: {error}")
        if faults:
            listed = "\n  ".join(faults)
            raise SettingsError(f"the prices have mistakes:\n  {listed}", hint="mend them")
        return cls(prices)


class PriceBooks:
    """Several books; the first that knows a price is right."""

    def __init__(self, books: Iterable[PriceBook]) -> None:
        self._books = tuple(books)

    def price_of(self, provider: str, model: str, at_ns: int) -> ModelPrice | None:
        found = (book.price_of(provider, model, at_ns) for book in self._books)
        return next((price for price in found if price is not None), None)


def _read(entry: object) -> ModelPrice:
    if not isinstance(entry, Mapping):
        raise ValueError("must be a table of prices")  # noqa: TRY004 - all mistakes are the same
    table = dict(cast("Mapping[str, object]", entry))
    currency = table.pop("currency", SAT)
    if not isinstance(currency, str) or not currency.isalpha():
        raise ValueError(f"currency must be '{SAT}' or a code such as 'USD', not {currency!r}")
    since = table.pop("since", date.min)
    if isinstance(since, str):
        try:
            since = date.fromisoformat(since)
        except ValueError:
            raise ValueError(f"since must be a day such as 2026-11-26, not {since!r}") from None
    if not isinstance(since, date):
        raise ValueError(f"since must be a day, not {since!r}")  # noqa: TRY004 - as above
    request = _amount("request", table.pop("request", 0))
    unknown = table.keys() - set(MEMBERS)
    if unknown:
        known = ", ".join(MEMBERS)
        raise ValueError(f"unknown {min(unknown)!r}; prices are for {known} and request")
    rates = {name: _amount(name, value) for name, value in table.items()}
    if "input" not in rates or "output" not in rates:
        raise ValueError("input and output must be given")
    return ModelPrice(
        currency=currency if currency == SAT else currency.upper(),
        per_million=rates,
        request=request,
        since=since,
    )


def _amount(name: str, value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{name} must be a number, not {value!r}")  # noqa: TRY004 - as above
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{name} must be a number, not {value!r}") from None
    # The size of the exponent first: a fraction of 1e-999999999 would fill the memory.
    fits = amount.is_finite() and (not amount or abs(amount.adjusted()) <= _MOST_EXPONENT)
    if not fits or not 0 <= amount <= 10**12:
        raise ValueError(f"{name} must be a sensible amount, not {value!r}")
    return Fraction(amount)
