"""Read how endpoints are chosen, what may be spent, and what the proxy lets in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from holdfast.frozen import frozen, replace
from holdfast.routing.breakers.rules import Rules
from holdfast.routing.config import Budgets, ProviderConfig, RoutingConfig
from holdfast.routing.selection.policies import PRIVACIES, STRATEGIES, Policy, Privacy, Strategy
from holdfast.settings.providers import RATES_PER, RatesPer, as_tier
from holdfast.settings.quality import as_cascade, as_function, read_quality
from holdfast.settings.rates import Worth, take_fee, take_rate
from holdfast.settings.reader import Section
from holdfast.settings.values import (
    as_names,
    as_one_of,
    as_seconds,
    as_share,
    as_text,
    as_whole,
    suggestion,
)


@frozen
class ProxySettings:
    """What the proxy lets in: at most so many requests a minute for each key, None without a limit."""

    requests_per_minute: int | None = None


def read_routing(
    section: Section, root: Path, environ: Mapping[str, str], worth: Worth
) -> tuple[RoutingConfig, tuple[ProviderConfig, ...]]:
    """Return what a table says about routing, and the providers of the file that it names.

    What the table says itself comes before what the file says; policies of both count.
    """
    usual = RoutingConfig()
    file = section.take("file", as_text, None)
    per: RatesPer | None = section.take("file_rates_per", as_file_rates, None)
    chosen = RoutingConfig(
        strategy=section.take("strategy", as_strategy, usual.strategy),
        rounds=section.take("rounds", as_whole, usual.rounds),
        wait_seconds=section.take("wait_seconds", as_seconds, usual.wait_seconds),
        discover_seconds=section.take("discover_seconds", as_seconds, usual.discover_seconds),
        untold_max_tokens=section.take("untold_max_tokens", as_whole, usual.untold_max_tokens),
        stale_seconds=section.take("stale_seconds", as_seconds, usual.stale_seconds),
        breaker=_breaker(section.section("breaker")),
        policies=_policies(section.section("policies"), worth),
        budgets=_budgets(section.section("budgets"), worth),
        quality=read_quality(section.section("quality"), worth),
    )
    section.refuse_rest()
    if file is None:
        if per is not None:
            section.problem("file_rates_per", "says of which rates no file is read: name a file")
        return chosen, ()
    from holdfast.settings.arbstr import read_arbstr  # noqa: PLC0415 - few have such a file

    other = read_arbstr(root / file, section.found, environ, per)
    strategy = chosen.strategy if "strategy" in section.table else other.strategy
    merged = replace(
        chosen,
        policies=(*chosen.policies, *other.policies),
        strategy=strategy or chosen.strategy,
    )
    return merged, other.providers


def read_proxy(section: Section) -> ProxySettings:
    """Return what a table says about the proxy."""
    chosen = ProxySettings(
        requests_per_minute=section.take("requests_per_minute", as_whole, None),
    )
    section.refuse_rest()
    return chosen


def _breaker(section: Section | None) -> Rules:
    usual = Rules()
    if section is None:
        return usual
    slow = section.take("slow_seconds", as_seconds, None)
    chosen = Rules(
        failures=section.take("failures", as_whole, usual.failures),
        open_ms=_ms(section.take("open_seconds", as_seconds, usual.open_ms / 1000)),
        most_open_ms=_ms(section.take("most_open_seconds", as_seconds, usual.most_open_ms / 1000)),
        rate=section.take("failure_rate", as_share, usual.rate),
        slow_ms=None if slow is None else _ms(slow),
    )
    section.refuse_rest()
    return chosen


def _policies(section: Section | None, worth: Worth) -> tuple[Policy, ...]:
    if section is None:
        return ()
    found = ((name, section.section(name)) for name in section.table)
    return tuple(_policy(name, each, worth) for name, each in found if each is not None)


def _policy(name: str, section: Section, worth: Worth) -> Policy:
    policy = Policy(
        name=name,
        models=section.take("models", as_names, ()),
        providers=section.take("providers", as_names, ()),
        privacy=section.take("privacy", as_privacy, "anyone"),
        strategy=section.take("strategy", as_strategy, None),
        most_output_msat=take_rate(section, "most_output", worth),
        most_request_msat=take_fee(section, "most_request", worth),
        tier=section.take("tier", as_tier, None),
        keywords=section.take("keywords", as_names, ()),
        min_quality=section.take("min_quality", as_share, None),
        reference=section.take("reference", as_text, None),
        cascade=section.take("cascade", as_cascade, False),  # noqa: FBT003 - the value
        check=section.take("check", as_function, None),
    )
    if policy.min_quality is not None and isinstance(policy.cascade, tuple):
        section.problem(
            "cascade", "write cascade = true beside min_quality: it decides who is asked"
        )
    if policy.privacy == "named" and not policy.providers:
        section.problem("privacy", "'named' needs providers = [...] that data may go to")
    section.refuse_rest()
    return policy


def _budgets(section: Section | None, worth: Worth) -> Budgets:
    if section is None:
        return Budgets()
    chosen = Budgets(
        run_msat=take_fee(section, "run", worth),
        owner_msat=take_fee(section, "owner", worth),
        key_msat=take_fee(section, "key", worth),
        day_msat=take_fee(section, "day", worth),
        total_msat=take_fee(section, "total", worth),
    )
    for key in sorted(section.table.keys() - section.taken):
        close = suggestion(key, section.taken)
        section.problem(key, f"there are budgets of a run, owner, key, day and in total{close}")
    return chosen


def as_file_rates(value: object) -> RatesPer:
    """Return for how many tokens the rates of a file in arbstr's shape are."""
    return cast("RatesPer", as_one_of(RATES_PER, value))


def as_strategy(value: object) -> Strategy:
    """Return how endpoints are ordered."""
    return cast("Strategy", as_one_of(STRATEGIES, value))


def as_privacy(value: object) -> Privacy:
    """Return where data may go."""
    return cast("Privacy", as_one_of(PRIVACIES, value))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
