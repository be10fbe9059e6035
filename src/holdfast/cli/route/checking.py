"""`holdfast route check`: is everything there that leading model calls needs?"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from holdfast.app.services import build_router
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.clock import SystemClock
from holdfast.frozen import members_of
from holdfast.routing.config import ProviderConfig, RoutingConfig
from holdfast.settings import Settings

if TYPE_CHECKING:
    from holdfast.routing.prices.discovering import Discovered
    from holdfast.routing.prices.quotes import RefusedQuote


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """There is nothing to say but the verb."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Show what is configured, and what is wrong with it."""
    settings = settings_of(arguments, output)
    found = asyncio.run(_discover(settings))
    told = [_provider(each, found) for each in settings.providers]
    problems = [*find_problems(settings, told), *found.problems.values()]
    output.data(
        {
            "file": None if settings.file is None else str(settings.file),
            "providers": told,
            "policies": [each.name for each in _routing(settings).policies],
            "refused_prices": [_refused(each) for each in found.refused],
            "problems": problems,
        }
    )
    for each in told:
        output.line(f"{each['name']}  {each['base_url']}  {_models(each)}  {each['key']}")
        for model, source in each["prices"].items():
            output.line(f"  {model:36} {source or 'price unknown'}")
    for refused in found.refused:
        output.line(f"not believed: {refused.provider}/{refused.model}: {refused.reason}")
    for policy in _routing(settings).policies:
        words = f" for {', '.join(policy.keywords)}" if policy.keywords else ""
        output.line(f"policy {policy.name}{words}")
    for problem in problems:
        output.line(f"problem: {problem}")
    if not settings.providers:
        output.line("no providers: only offline/extract; add [providers.NAME] to holdfast.toml")
    elif not problems:
        output.line("everything is there")
    return 2 if problems else 0


async def _discover(settings: Settings) -> Discovered:
    from holdfast.app.discovering import discover_models  # noqa: PLC0415 - only this verb
    from holdfast.tracing.tracer import Tracer  # noqa: PLC0415 - as above

    clock = SystemClock()
    router = build_router(settings, Tracer(clock=clock), clock)
    try:
        return await discover_models(settings, router.dispatcher, clock)
    finally:
        await router.close()


def find_problems(settings: Settings, told: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Yield a sentence for everything that will not work; `told` are the providers as they are shown."""
    routing = _routing(settings)
    names = {each.name for each in settings.providers} | {"offline"}
    models = {model for each in told for model in each["models"]}
    takes_any = any(not each["models"] for each in told)
    for provider in settings.providers:
        if provider.key_variable and not provider.api_key:
            yield f"provider {provider.name!r}: the variable {provider.key_variable} is not set"
    for policy in routing.policies:
        for name in sorted(set(policy.providers) - names):
            yield f"policy {policy.name!r}: there is no provider {name!r}"
        for model in sorted(set(policy.models) - models):
            if not takes_any:
                yield f"policy {policy.name!r}: no provider has the model {model!r}"


def _routing(settings: Settings) -> RoutingConfig:
    return settings.routing or RoutingConfig()


def _provider(provider: ProviderConfig, found: Discovered) -> dict[str, Any]:
    prices = found.sources[provider.name]
    return {
        "name": provider.name,
        "base_url": provider.base_url,
        "kind": provider.kind,
        "tier": provider.tier,
        "models": list(prices),
        "prices": prices,
        "unpriced": [model for model, source in prices.items() if source is None],
        "key": _key(provider),
    }


def _refused(each: RefusedQuote) -> dict[str, str]:
    return {member.name: getattr(each, member.name) for member in members_of(type(each))}


def _models(told: Mapping[str, Any]) -> str:
    models, unpriced = len(told["models"]), len(told["unpriced"])
    if not models:
        return "any model"
    listed = f"{models} model{'s' if models > 1 else ''}"
    return f"{listed}, {unpriced} without a price" if unpriced else listed


def _key(provider: ProviderConfig) -> str:
    if provider.key_variable:
        state = "set" if provider.api_key else "not set"
        return f"key: ${provider.key_variable} ({state})"
    return "key: in the file" if provider.api_key else "no key"
