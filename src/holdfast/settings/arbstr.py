"""Read a routing file in the shape of arbstr's: `[[providers]]` and `[policies]`, as it is.

Rates are sats for a million tokens, or for a thousand as arbstr counted them at first: the project says which
(`file_rates_per`), as nothing in the file does. Tables that speak of its own server, log and vault are not read;
a warning names those that have another place here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from holdfast.frozen import NamedTuple
from holdfast.routing.config import ProviderConfig
from holdfast.routing.seam import Price
from holdfast.routing.selection.policies import Policy, Strategy
from holdfast.settings.keys import warn_of_key
from holdfast.settings.providers import RatesPer, as_tier, read_name
from holdfast.settings.reader import Problems, Section, quoted, read_file
from holdfast.settings.values import (
    Table,
    as_address,
    as_amount,
    as_names,
    as_one_of,
    as_table,
    as_text,
    as_truth,
    key_of,
)

_STRATEGIES: Final[Mapping[str, Strategy]] = {
    "lowest_cost": "cheapest",
    "lowest_latency": "fastest",
    "round_robin": "round_robin",
    "cheapest": "cheapest",
}
_ELSEWHERE: Final = {
    "server": "give --host and --port to `holdfast proxy`, and the token in HOLDFAST_TOKEN",
    "database": "the ledger lies in the folder of the store",
    "routing": "the thresholds and weights of the complexity score are those of Holdfast",
    "vault": "write budgets below [routing.budgets] in holdfast.toml",
    "tokenstats": "there is no market feed: prices are those of the providers",
    "logging": "holdfast route requests shows what was asked",
}


class Arbstr(NamedTuple):
    """What such a file says."""

    providers: tuple[ProviderConfig, ...]
    policies: tuple[Policy, ...]
    strategy: Strategy | None


def read_arbstr(
    path: Path, found: Problems, environ: Mapping[str, str], per: RatesPer | None
) -> Arbstr:
    """Return what a file says; what is wrong with it is added to `found`.

    Raises:
        SettingsError: it cannot be read, or is not TOML.
    """
    top = read_file(path, found)
    for name, instead in _ELSEWHERE.items():
        if top.take(name, as_table, None):
            found.warnings.append(f"{path}: [{name}] is not used: {instead}")
    tables = top.take("providers", as_tables, ())
    providers = [
        _provider(Section(found, str(path), f"providers[{place}].", table), environ, per)
        for place, table in enumerate(tables)
    ]
    for place, each in enumerate(providers):
        found.elsewhere[f"providers.{quoted(each.name)}"] = path, f"providers[{place}]"
    policies = top.section("policies")
    top.refuse_rest()
    if policies is None:
        return Arbstr(tuple(providers), (), None)
    strategy: Strategy | None = policies.take("default_strategy", as_strategy, None)
    rules = policies.take("rules", as_tables, ())
    policies.refuse_rest()
    found_rules = [
        _rule(Section(found, str(path), f"policies.rules[{place}].", table), per)
        for place, table in enumerate(rules)
    ]
    for place, each in enumerate(found_rules):
        ours, there = f"routing.policies.{quoted(each.name)}", f"policies.rules[{place}]"
        found.elsewhere |= {
            ours: (path, there),
            f"{ours}.models": (path, f"{there}.allowed_models"),
        }
    return Arbstr(tuple(providers), tuple(found_rules), strategy)


def _provider(section: Section, environ: Mapping[str, str], per: RatesPer | None) -> ProviderConfig:
    name = read_name(section, section.take("name", as_text, ""))
    base_url = section.take("url", as_address, None)
    for key in ("name", "url"):
        if key not in section.table:
            section.problem(key, "is missing")
    convention = f"ARBSTR_{name.upper().replace('-', '_').replace('.', '_')}_API_KEY"
    usual = environ.get(convention, "").strip() or None
    key, variable = section.take(
        "api_key", lambda text: key_of(text, environ), (usual, convention if usual else None)
    )
    warn_of_key(section, name, base_url, key, variable)
    price = _price(section, per)
    config = ProviderConfig(
        name=name,
        base_url=base_url or "",
        api_key=key,
        key_variable=variable,
        models=dict.fromkeys(section.take("models", as_names, ()), price),
        tier=section.take("tier", as_tier, "standard"),
        auto_discover=section.take("auto_discover", as_truth, otherwise=False),
    )
    section.refuse_rest()
    return config


def _price(section: Section, per: RatesPer | None) -> Price | None:
    inward = section.take("input_rate", lambda value: as_msat(value, per), None)
    outward = section.take("output_rate", lambda value: as_msat(value, per), None)
    fee = section.take("base_fee", lambda value: as_msat(value, None), 0)
    if inward is None or outward is None:
        return None
    return Price(input_msat_per_million=inward, output_msat_per_million=outward, request_msat=fee)


def _rule(section: Section, per: RatesPer | None) -> Policy:
    policy = Policy(
        name=section.take("name", as_text, ""),
        models=section.take("allowed_models", as_names, ()),
        strategy=section.take("strategy", as_strategy, None),
        most_output_msat=_most_output(section, per),
        keywords=section.take("keywords", as_names, ()),
    )
    if "name" not in section.table:
        section.problem("name", "is missing")
    section.refuse_rest()
    return policy


def _most_output(section: Section, per: RatesPer | None) -> int | None:
    """Return the cap of a rule; a file that counts it for a thousand tokens has such rates, too."""
    million = section.take("max_sats_per_1m_output", lambda value: as_msat(value, None), None)
    thousand = section.take("max_sats_per_1k_output", lambda value: as_msat(value, "1k"), None)
    if thousand is not None and per is None:
        section.problem(
            "max_sats_per_1k_output",
            'counts for a thousand tokens: if the rates of this file do too, write file_rates_per = "1k" '
            'below [routing] in holdfast.toml, else file_rates_per = "million"',
        )
    if million is not None and thousand is not None:
        section.problem("max_sats_per_1k_output", "says the same as max_sats_per_1m_output")
    return thousand if million is None else million


def as_msat(value: object, per: RatesPer | None) -> int:
    """Return an amount of sats as msat, for a million tokens where it is for a thousand."""
    from fractions import Fraction  # noqa: PLC0415 - few have such a file

    msat = Fraction(as_amount(value)) * (1_000_000 if per == "1k" else 1000)
    if msat.denominator != 1:
        raise ValueError("is no whole number of msat (thousandths of a sat)")
    return int(msat)


def as_tables(value: object) -> tuple[Table, ...]:
    """Return a list of tables."""
    if not isinstance(value, list):
        raise ValueError("must be a list of tables")  # noqa: TRY004 - all checks raise the same
    return tuple(as_table(each) for each in cast("list[object]", value))


def as_strategy(value: object) -> Strategy:
    """Return a strategy by arbstr's name of it."""
    return _STRATEGIES[as_one_of(tuple(_STRATEGIES), value)]
