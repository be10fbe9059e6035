"""`holdfast route check`: is everything there that leading model calls needs?"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.routing.config import ProviderConfig, RoutingConfig
from holdfast.settings import Settings


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """There is nothing to say but the verb."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Show what is configured, and what is wrong with it."""
    settings = settings_of(arguments, output)
    problems = list(find_problems(settings))
    output.data(
        {
            "file": None if settings.file is None else str(settings.file),
            "providers": [_provider(each) for each in settings.providers],
            "policies": [each.name for each in _routing(settings).policies],
            "problems": problems,
        }
    )
    for provider in settings.providers:
        output.line(f"{provider.name}  {provider.base_url}  {_models(provider)}  {_key(provider)}")
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


def find_problems(settings: Settings) -> Iterable[str]:
    """Yield a sentence for everything that will not work."""
    routing = _routing(settings)
    names = {each.name for each in settings.providers} | {"offline"}
    models = {model for each in settings.providers for model in each.models}
    takes_any = any(not each.models for each in settings.providers)
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


def _provider(provider: ProviderConfig) -> dict[str, object]:
    return {
        "name": provider.name,
        "base_url": provider.base_url,
        "kind": provider.kind,
        "tier": provider.tier,
        "models": list(provider.models),
        "unpriced": [name for name, price in provider.models.items() if price is None],
        "key": _key(provider),
    }


def _models(provider: ProviderConfig) -> str:
    if not provider.models:
        return "any model"
    unpriced = sum(price is None for price in provider.models.values())
    told = f"{len(provider.models)} model{'s' if len(provider.models) > 1 else ''}"
    return f"{told}, {unpriced} without a price" if unpriced else told


def _key(provider: ProviderConfig) -> str:
    if provider.key_variable:
        state = "set" if provider.api_key else "not set"
        return f"key: ${provider.key_variable} ({state})"
    return "key: in the file" if provider.api_key else "no key"
