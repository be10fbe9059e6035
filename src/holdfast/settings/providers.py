"""Read the tables of providers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, cast

from holdfast.routing.config import KINDS, LITELLM, Prepaid, ProviderConfig, Timeouts
from holdfast.routing.seam import TIERS, Price, Tier
from holdfast.settings.foreign import as_prefix, check_kind, read_options
from holdfast.settings.keys import warn_of_key
from holdfast.settings.rates import Worth, take_fee, take_rate
from holdfast.settings.reader import Section
from holdfast.settings.values import (
    as_address,
    as_names,
    as_one_of,
    as_seconds,
    as_structured,
    as_truth,
    as_whole,
    key_of,
)
from holdfast.settings.wallet import as_mint

RatesPer = Literal["million", "1k"]
RATES_PER: Final[tuple[RatesPer, ...]] = ("million", "1k")
"""For how many tokens the rates of a file in arbstr's shape are."""
_PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def read_provider(
    section: Section | None, name: str, environ: Mapping[str, str], worth: Worth
) -> ProviderConfig | None:
    """Return the provider that a table describes, None if it is no table."""
    if section is None:
        return None
    read_name(section, name)
    base_url = section.take("base_url", as_address, None)
    kind = section.take("kind", as_kind, "openai")
    if "base_url" not in section.table and kind != LITELLM:
        section.problem("base_url", "is missing")
    usual = usual_key(name, environ)
    key, variable = section.take("api_key", lambda text: key_of(text, environ), usual)
    warn_of_key(section, name, base_url, key, variable)
    if kind == "routstr" and (key or variable):
        section.problem("api_key", "is not for a node: the wallet gets and keeps its key")
    config = ProviderConfig(
        name=name,
        base_url=base_url or "",
        api_key=key,
        key_variable=variable,
        models=_models(section, worth),
        structured_output=section.take("structured_output", as_structured, "auto"),
        timeouts=_timeouts(section.section("timeouts")),
        kind=kind,
        prepaid=read_prepaid(section) if kind == "routstr" else None,
        tier=section.take("tier", as_tier, "standard"),
        auto_discover=section.take("auto_discover", as_truth, otherwise=kind == "routstr"),
        prefix=section.take("prefix", as_prefix, ""),
        options=read_options(section.section("options"), environ),
        trace_context=section.take("trace_context", as_truth, otherwise=False),
    )
    check_kind(section, config)
    section.refuse_rest()
    return config


def read_prepaid(section: Section) -> Prepaid:
    """Return how a node is paid."""
    usual = Prepaid()
    limit = section.take("limit_sats", as_whole, usual.limit_sat)
    topup = section.take("topup_sats", as_whole, min(usual.topup_sat, limit))
    if topup > limit:
        section.problem("topup_sats", "is more than limit_sats, which the node may have at most")
    return Prepaid(topup_sat=topup, limit_sat=limit, mint=section.take("mint", as_mint, ""))


def read_name(section: Section, name: str) -> str:
    """Return the name of a provider; one that cannot be is a problem."""
    if name == "offline":
        section.problem("", "this name is taken by the built-in extractor")
    elif not _PROVIDER_NAME.fullmatch(name):
        section.problem("", "a provider's name is made of letters, digits, '_', '.' and '-'")
    return name


def usual_key(name: str, environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the key of a provider whose table names none, and its variable: `HOLDFAST_NAME_API_KEY`."""
    variable = f"HOLDFAST_{re.sub('[^A-Za-z0-9]', '_', name).upper()}_API_KEY"
    key = environ.get(variable, "").strip()
    return (key, variable) if key else (None, None)


def _models(section: Section, worth: Worth) -> dict[str, Price | None]:
    if isinstance(section.table.get("models"), list):
        return dict.fromkeys(section.take("models", as_names, ()))
    tables = section.section("models")
    if tables is None:
        return {}
    prices: dict[str, Price | None] = {}
    for name, table in tables.table.items():
        if dotted := _dotted(name, table):
            tables.problem(name, f'a name with a dot stands in quotes: write "{dotted}"')
        else:
            prices[name] = _price(tables.section(name), worth)
    return prices


def _dotted(name: str, table: object) -> str:
    """Return the name that was written without quotes, which TOML takes for tables in tables."""
    members = cast("Mapping[str, object]", table).items() if isinstance(table, Mapping) else ()
    for part, inner in members:
        if isinstance(inner, Mapping):
            return _dotted(f"{name}.{part}", cast("object", inner)) or f"{name}.{part}"
    return ""


def _price(section: Section | None, worth: Worth) -> Price | None:
    if section is None:
        return None
    inward = take_rate(section, "input", worth)
    outward = take_rate(section, "output", worth)
    request = take_fee(section, "request", worth)
    read = take_rate(section, "cache_read", worth)
    written = take_rate(section, "cache_write", worth)
    reasoning = take_rate(section, "reasoning", worth)
    section.refuse_rest()
    said = {key.partition("_")[0] for key in section.table}
    if said and not {"input", "output"} <= said:
        section.problem("", "give the prices of input and output, or none at all")
    if inward is None or outward is None:
        return None
    return Price(
        input_msat_per_million=inward,
        output_msat_per_million=outward,
        request_msat=request or 0,
        cache_read_msat_per_million=read,
        cache_write_msat_per_million=written,
        reasoning_msat_per_million=reasoning,
    )


def as_tier(value: object) -> Tier:
    """Return a tier."""
    return cast("Tier", as_one_of(TIERS, value))


def as_kind(value: object) -> str:
    """Return the wire format of an endpoint."""
    return as_one_of(KINDS, value)


def _timeouts(section: Section | None) -> Timeouts:
    usual = Timeouts()
    if section is None:
        return usual
    chosen = Timeouts(
        connect=section.take("connect", as_seconds, usual.connect),
        first_byte=section.take("first_byte", as_seconds, usual.first_byte),
        idle=section.take("idle", as_seconds, usual.idle),
        total=section.take("total", as_seconds, None),
    )
    section.refuse_rest()
    return chosen
