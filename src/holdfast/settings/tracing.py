"""Read what is traced, what is kept of it, and what money is worth."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, cast

from holdfast.frozen import field, frozen
from holdfast.settings.reader import Section
from holdfast.settings.values import (
    as_dates,
    as_days,
    as_names,
    as_one_of,
    as_text,
    as_truth,
    as_whole,
)

if TYPE_CHECKING:
    from holdfast.tracing.billing.money import Exchange

Payloads = Literal["full", "previews", "off"]


@frozen
class TracingSettings:
    """What is traced and how long it is kept.

    `store` is the address of the traces, None for the usual file beside the store. `payloads` says
    how much of prompts, answers and arguments is kept. `redact_keys` and `redact_patterns` add to what
    is always taken out, `redact_hook` names a function as `module:function`. `keep_days` and
    `keep_payload_days` are None for ever; `keep_mib` bounds the whole. `release` marks what this
    process traces, for comparisons. With `opentelemetry` spans of libraries that speak it come along.
    """

    store: str | None = None
    payloads: Payloads = "full"
    redact_keys: tuple[str, ...] = ()
    redact_patterns: tuple[str, ...] = ()
    redact_hook: str | None = None
    keep_days: float | None = 90.0
    keep_payload_days: float | None = None
    keep_mib: int | None = None
    release: str | None = None
    opentelemetry: bool = False


@frozen
class MoneySettings:
    """The currency that costs are shown in beside sats, and what a bitcoin was worth when.

    `rates` are units of the currency a bitcoin, by the day (ISO 8601) from which they hold;
    `others` the same of other currencies, in which prices may be written.
    """

    currency: str | None = None
    rates: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    others: dict[str, dict[str, Decimal]] = field(default_factory=dict[str, dict[str, Decimal]])


def read_tracing(section: Section) -> TracingSettings:
    """Return what a table says about tracing."""
    usual = TracingSettings()
    chosen = TracingSettings(
        store=section.take("store", as_text, None),
        payloads=cast("Payloads", section.take("payloads", _as_payloads, usual.payloads)),
        redact_keys=section.take("redact_keys", as_names, ()),
        redact_patterns=section.take("redact_patterns", as_patterns, ()),
        redact_hook=section.take("redact_hook", as_function, None),
        keep_days=section.take("keep_days", as_days, usual.keep_days),
        keep_payload_days=section.take("keep_payload_days", as_days, None),
        keep_mib=section.take("keep_mib", as_whole, None),
        release=section.take("release", as_text, None),
        opentelemetry=section.take("opentelemetry", as_truth, usual.opentelemetry),
    )
    section.refuse_rest()
    return chosen


def read_money(section: Section) -> MoneySettings:
    """Return what a table says about money."""
    chosen = MoneySettings(
        currency=section.take("currency", as_currency, None),
        rates=section.take("bitcoin", as_dates, {}),
        others=_other_rates(section.section("bitcoin_in")),
    )
    if (chosen.rates or chosen.others) and chosen.currency is None:
        section.problem("currency", "is missing: name that of the rates, such as 'EUR'")
    section.refuse_rest()
    return chosen


def exchange_from(money: MoneySettings) -> Exchange | None:
    """Return what money is worth, None where nothing says in what currency."""
    if money.currency is None:
        return None
    from holdfast.tracing.billing.money import Exchange  # noqa: PLC0415 - few projects say it

    def dated(rates: Mapping[str, Decimal]) -> dict[date, Decimal]:
        return {date.fromisoformat(day): rate for day, rate in rates.items()}

    others = {name: dated(rates) for name, rates in money.others.items()}
    return Exchange(money.currency, dated(money.rates), others)


def _other_rates(section: Section | None) -> dict[str, dict[str, Decimal]]:
    if section is None:
        return {}
    found: dict[str, dict[str, Decimal]] = {}
    for name in section.table:
        rates = section.take(name, as_dates, {})
        try:
            found[as_currency(name)] = rates
        except ValueError as error:
            section.problem(name, str(error))
    return found


def _as_payloads(value: object) -> str:
    return as_one_of(("full", "previews", "off"), value)


def as_patterns(value: object) -> tuple[str, ...]:
    """Return regular expressions."""
    import re  # noqa: PLC0415 - only where there are any

    patterns = as_names(value)
    for each in patterns:
        try:
            re.compile(each)
        except re.error as error:
            raise ValueError(f"{each!r} is no regular expression: {error}") from None
    return patterns


def as_function(value: object) -> str:
    """Return the name of a function."""
    text = as_text(value)
    module, _, name = text.partition(":")
    if not all(part.isidentifier() for part in module.split(".")) or not name.isidentifier():
        raise ValueError("must name a function as 'module:function'")
    return text


def as_currency(value: object) -> str:
    """Return the code of a currency (ISO 4217)."""
    text = as_text(value)
    if len(text) != 3 or not text.isascii() or not text.isalpha():
        raise ValueError("must be the code of a currency, such as 'USD'")
    return text.upper()
