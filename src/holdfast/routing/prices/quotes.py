"""Which price holds: the first believable one, in the order of who should know best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Literal, Protocol

from holdfast.frozen import frozen
from holdfast.routing.seam import Price

Source = Literal["node", "configuration", "models", "genai-prices"]
"""Who says a price: the node's own quote, the settings, the provider's list of models, a table."""

SOURCES: tuple[Source, ...] = ("node", "configuration", "models", "genai-prices")
_REFERENCES: frozenset[Source] = frozenset({"configuration", "genai-prices"})
_PASSING: frozenset[Source] = frozenset({"node", "models"})
"""What providers say of themselves, and may say otherwise tomorrow."""
_WITNESSES = 2
_MOST_TIMES = 100
_MOST_CHOSEN = 50_000


@frozen
class Quote:
    """What a provider charges for a model, who says so, and when that was said."""

    provider: str
    model: str
    price: Price
    source: Source
    at_ms: int
    note: str = ""


@frozen
class RefusedQuote:
    """A quote that nobody should believe, or that cannot be read, and why."""

    provider: str
    model: str
    source: Source
    reason: str


class LateSource(Protocol):
    """A table that is asked only for what nobody else knows."""

    def quote(self, provider: str, model: str) -> Quote | None:
        """Return what it says, None if nothing."""
        ...

    def of_maker(self, model: str) -> Quote | None:
        """Return what a model costs at who made it, to judge others by; None if it does not say."""
        ...


class Quotes:
    """All that is said about prices, and what of it holds.

    A quote is judged against what others say of the same model at the time it is asked for, so that
    the order in which quotes arrive makes no difference.
    """

    def __init__(self, late: LateSource | None = None) -> None:
        self._said: dict[str, dict[tuple[str, Source], Quote]] = {}
        self._late = late
        self._makers: dict[str, Quote | None] = {}
        self._chosen: dict[tuple[str, str], Quote | None] = {}

    def copy(self) -> Quotes:
        """Return the same quotes, to be changed apart."""
        made = Quotes(self._late)
        made._said = {model: dict(said) for model, said in self._said.items()}
        made._makers = dict(self._makers)
        return made

    def offer(self, quotes: Iterable[Quote]) -> None:
        """Take quotes in; a later one of the same source replaces the earlier one."""
        for quote in quotes:
            self._said.setdefault(quote.model, {})[quote.provider, quote.source] = quote
        self._chosen.clear()

    def withdraw(self, provider: str, source: Source) -> None:
        """Forget what a source said about a provider."""
        for said in self._said.values():
            said.pop((provider, source), None)
        self._chosen.clear()

    def expire(self, before_ms: int) -> None:
        """Forget what providers said of themselves before an instant."""
        for said in self._said.values():
            old = [k for k, q in said.items() if q.source in _PASSING and q.at_ms < before_ms]
            for key in old:
                del said[key]
        self._chosen.clear()

    def quote(self, provider: str, model: str) -> Quote | None:
        """Return the quote that holds, None if no price is known or believable."""
        key = provider, model
        if key not in self._chosen:
            if len(self._chosen) >= _MOST_CHOSEN:  # callers may ask for any name
                self._chosen.clear()
            self._chosen[key] = self._choose(provider, model)
        return self._chosen[key]

    def price(self, provider: str, model: str) -> Price | None:
        """Return the price that holds; unknown is None and never free."""
        quote = self.quote(provider, model)
        return None if quote is None else quote.price

    def refused(self) -> Sequence[RefusedQuote]:
        """Return every quote that is not believed, with the reason."""
        return [
            RefusedQuote(
                provider=quote.provider, model=quote.model, source=quote.source, reason=reason
            )
            for model, said in self._said.items()
            for quote in said.values()
            if (reason := implausible(quote, self._witnesses(model))) is not None
        ]

    def _choose(self, provider: str, model: str) -> Quote | None:
        said = self._said.get(model, {})
        for source in SOURCES:
            quote = said.get((provider, source))
            if quote is not None and implausible(quote, self._witnesses(model)) is None:
                return quote
        late = None if self._late is None else self._late.quote(provider, model)
        return late if late is not None and implausible(late, said.values()) is None else None

    def _witnesses(self, model: str) -> Sequence[Quote]:
        """Return all that is said about a model, with what its maker charges."""
        said = self._said.get(model, {})
        if self._late is None or not any(each.source in _PASSING for each in said.values()):
            return [*said.values()]
        if model not in self._makers:
            self._makers[model] = self._late.of_maker(model)
        maker = self._makers[model]
        return [*said.values()] if maker is None else [*said.values(), maker]


def implausible(quote: Quote, said: Iterable[Quote]) -> str | None:
    """Return why a quote cannot be right, None if it can.

    `said` are quotes of the same model; those of the same provider and source do not count. A price is
    compared as that of 1,000 tokens in and 300 out: with what people and tables say if they say
    anything, else with what at least two other providers say of themselves. One stranger alone, who
    asks next to nothing, thus makes nobody else implausible.
    """
    if any(rate < 0 for rate in _rates(quote.price)):
        return "it is negative"
    own, others = _comparable(quote.price), [each for each in said if _is_other(each, quote)]
    if own == 0 and quote.source == "node":
        return "it is free, and a node that is paid in sats has nothing to give away"
    if own == 0:
        # What people set themselves is theirs to know: a model of their own machine is free.
        charging = bool(others) and median(_comparable(each.price) for each in others) > 0
        free = quote.source == "configuration" or not charging
        return None if free else "it is free where others charge"
    usual = _usual(quote, others)
    if usual and own > _MOST_TIMES * usual:
        return f"it is {own / usual:.0f} times what others charge: is its unit right?"
    return None


def _usual(quote: Quote, others: Sequence[Quote]) -> float | None:
    """Return the median of what a quote is to be compared with, None if that is too little."""
    known = [each for each in others if each.source in _REFERENCES]
    if not known:
        if quote.source == "configuration" or len({each.provider for each in others}) < _WITNESSES:
            return None
        known = others
    return median(_comparable(each.price) for each in known)


def _is_other(one: Quote, quote: Quote) -> bool:
    return (one.provider, one.source) != (quote.provider, quote.source)


def configured(prices: Mapping[tuple[str, str], Price | None], at_ms: int) -> Sequence[Quote]:
    """Return quotes of the prices of the settings, by provider and model."""
    return [
        Quote(provider=provider, model=model, price=price, source="configuration", at_ms=at_ms)
        for (provider, model), price in prices.items()
        if price is not None
    ]


def _comparable(price: Price) -> int:
    """Return the cost of 1,000 tokens in and 300 out in millionths of a msat."""
    fee = price.request_msat * 1_000_000
    return fee + 1000 * price.input_msat_per_million + 300 * price.output_msat_per_million


def _rates(price: Price) -> Iterable[int]:
    yield price.input_msat_per_million
    yield price.output_msat_per_million
    yield price.request_msat
    yield price.cache_read_msat_per_million or 0
    yield price.cache_write_msat_per_million or 0
    yield price.reasoning_msat_per_million or 0
