"""Read the tables of providers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from holdfast.routing.config import KINDS, LITELLM, LOOPBACK, Prepaid, ProviderConfig, Timeouts
from holdfast.routing.seam import TIERS, Price, Tier
from holdfast.settings.foreign import as_prefix, check_kind, read_options
from holdfast.settings.reader import Section
from holdfast.settings.values import (
    as_address,
    as_msat,
    as_names,
    as_one_of,
    as_seconds,
    as_structured,
    as_truth,
    as_whole,
    key_of,
)
from holdfast.settings.wallet import as_mint

_PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def read_provider(
    section: Section | None, name: str, environ: Mapping[str, str]
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
        models=_models(section),
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


def _models(section: Section) -> dict[str, Price | None]:
    if isinstance(section.table.get("models"), list):
        return dict.fromkeys(section.take("models", as_names, ()))
    tables = section.section("models")
    if tables is None:
        return {}
    return {name: _price(tables.section(name)) for name in tables.table}


def _price(section: Section | None) -> Price | None:
    if section is None:
        return None
    inward = section.take("input_sats_per_million", as_msat, None)
    outward = section.take("output_sats_per_million", as_msat, None)
    request = section.take("request_sats", as_msat, None)
    read = section.take("cache_read_sats_per_million", as_msat, None)
    written = section.take("cache_write_sats_per_million", as_msat, None)
    reasoning = section.take("reasoning_sats_per_million", as_msat, None)
    section.refuse_rest()
    given = section.taken & section.table.keys()
    if given and not {"input_sats_per_million", "output_sats_per_million"} <= given:
        section.problem("", "give input_sats_per_million and output_sats_per_million, or neither")
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


def warn_of_key(
    section: Section, name: str, base_url: str | None, key: str | None, variable: str | None
) -> None:
    """Warn of a key that lies in the file, and of one that is sent unencrypted."""
    where = f"{section.origin}: the key of provider {name!r}"
    if key is not None and variable is None:
        section.found.warnings.append(
            f"{where} is written in the file: move it to an environment variable and write "
            'api_key = "${NAME_OF_THE_VARIABLE}"'
        )
    address = urlsplit(base_url or "")
    if (key or variable) and address.scheme == "http" and address.hostname not in LOOPBACK:
        section.found.warnings.append(f"{where} is sent unencrypted: its base_url is not https")
