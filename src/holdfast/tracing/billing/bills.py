"""The model calls of a trace, and what they cost. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from holdfast.frozen import frozen
from holdfast.tracing.billing.money import Amount, Exchange, without_exchange
from holdfast.tracing.billing.prices import MEMBERS, SAT, PriceBook
from holdfast.tracing.digest import Call
from holdfast.tracing.meaning import Meaning, ModelUse, TokenUsage
from holdfast.tracing.span import Span

MSAT = "msat"
_TOLERANCE = Fraction(1, 50)


@frozen
class Bill:
    """What calls cost together. What is known is summed; `unknown` counts calls that are not in it."""

    usage: TokenUsage
    msat: int | None
    micros: int | None
    currency: str
    unknown: int


def calls_of(
    spans: Sequence[Span],
    meanings: Sequence[Meaning],
    *,
    book: PriceBook | None = None,
    exchange: Exchange | None = None,
) -> Sequence[Call]:
    """Return a call for each span that is one; spans that repeat the sums of others are none."""
    return [
        _call(span, meaning.model, book, exchange)
        for span, meaning in zip(spans, meanings, strict=True)
        if meaning.model is not None and meaning.count_usage
    ]


def bill_of(calls: Sequence[Call]) -> Bill:
    """Return the sum of calls."""
    known = [call for call in calls if call.msat is not None]
    priced = [call for call in calls if call.micros is not None]
    currencies = {call.currency for call in priced}
    one = len(currencies) == 1
    return Bill(
        usage=total_usage(call.usage for call in calls),
        msat=sum(call.msat or 0 for call in known) if known else None,
        micros=sum(call.micros or 0 for call in priced) if priced and one else None,
        currency=currencies.pop() if one else "",
        unknown=sum(call.msat is None and call.micros is None for call in calls),
    )


def total_usage(usages: Iterable[TokenUsage]) -> TokenUsage:
    """Return the sum of usages; a member that nobody told stays untold."""
    every = list(usages)
    sums: dict[str, int | None] = {}
    for name in MEMBERS:
        told = [value for each in every if (value := getattr(each, name)) is not None]
        sums[name] = sum(told) if told else None
    return TokenUsage(**sums)


def disagreements(calls: Sequence[Call]) -> Sequence[Call]:
    """Return calls whose told and priced costs differ by more than two per cent."""
    return [call for call in calls if _differ(call.told_msat, call.priced_msat)
            or _differ(call.told_micros, call.priced_micros)]  # fmt: skip


def _differ(told: int | None, priced: int | None) -> bool:
    if told is None or priced is None:
        return False
    return abs(told - priced) > max(1, _TOLERANCE * max(told, priced))


def _call(span: Span, use: ModelUse, book: PriceBook | None, exchange: Exchange | None) -> Call:
    told, told_currency = _told(use.told_cost, exchange, span.start_ns)
    priced, currency = _priced(use, book, exchange, span.start_ns)
    return Call(
        span_id=span.span_id,
        start_ns=span.start_ns,
        duration_ns=span.duration_ns,
        provider=use.provider,
        model=use.model,
        usage=use.usage,
        told_msat=told.msat,
        priced_msat=priced.msat,
        told_micros=told.micros,
        priced_micros=priced.micros,
        currency=told_currency or currency,
        ttft_ns=use.ttft_ns,
    )


def _told(
    cost: Mapping[str, int] | None, exchange: Exchange | None, at_ns: int
) -> tuple[Amount, str]:
    if not cost:
        return Amount(), ""
    if MSAT in cost:
        amount = Fraction(cost[MSAT], 1000)
        if exchange is None:
            return Amount(msat=cost[MSAT]), ""
        found = exchange.both(amount, SAT, at_ns)
        return found, exchange.currency if found.micros is not None else ""
    currency, micros = next(iter(cost.items()))
    if exchange is not None and exchange.currency == currency:
        return exchange.both(Fraction(micros, 1_000_000), currency, at_ns), currency
    return Amount(micros=micros), currency


def _priced(
    use: ModelUse, book: PriceBook | None, exchange: Exchange | None, at_ns: int
) -> tuple[Amount, str]:
    known = book is not None and not use.beyond_tokens
    price = book.price_of(use.provider, use.model, at_ns) if book and known else None
    amount = price.price(use.usage) if price is not None else None
    if price is None or amount is None:
        return Amount(), ""
    if exchange is None or price.currency not in (SAT, exchange.currency):
        found = without_exchange(amount, price.currency)
        return found, "" if price.currency == SAT else price.currency
    return exchange.both(amount, price.currency, at_ns), exchange.currency
