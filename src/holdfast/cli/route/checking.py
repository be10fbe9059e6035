"""`holdfast route check`: is everything there that leading model calls needs?"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from holdfast.app.services import build_router
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.cli.tables import print_sentence
from holdfast.clock import SystemClock
from holdfast.frozen import members_of
from holdfast.routing.config import ProviderConfig
from holdfast.settings import Settings

if TYPE_CHECKING:
    from holdfast.routing.dispatching.inspecting import Finding
    from holdfast.routing.prices.discovering import Discovered
    from holdfast.routing.prices.quotes import RefusedQuote
    from holdfast.routing.selection.policies import Policy


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """There is nothing to say but the verb."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Show what is configured, and what is wrong with it."""
    settings = settings_of(arguments, output)
    found, findings = asyncio.run(_look(settings))
    told = [_provider(each, found) for each in settings.providers]
    policies = settings.routing.policies if settings.routing else ()
    problems = [*_placed(settings, findings), *_unanswered(found)]
    output.data(
        {
            "file": None if settings.file is None else str(settings.file),
            "providers": told,
            "policies": [each.name for each in policies],
            "refused_prices": [_refused(each) for each in found.refused],
            "problems": problems,
        }
    )
    _show(output, told, found, policies)
    for problem in problems:
        print_sentence(f"problem: {_where(problem)}{problem['problem']}", output, indent=6)
        if problem["hint"]:
            print_sentence(f"  {problem['hint']}", output, indent=6)
    if not settings.providers:
        print_sentence(
            "no providers: only offline/extract; add [providers.NAME] to holdfast.toml",
            output,
            indent=6,
        )
    elif not problems:
        print_sentence("everything is there", output, indent=6)
    return 2 if problems else 0


def _show(
    output: Output, told: Iterable[Mapping[str, Any]], found: Discovered, policies: Iterable[Policy]
) -> None:
    for each in told:
        where = each["base_url"] or each["kind"]
        print_sentence(f"{each['name']}  {where}  {_models(each)}  {each['key']}", output, indent=6)
        for model, source in each["prices"].items():
            print_sentence(f"  {model:36} {source or 'price unknown'}", output, indent=6)
    for refused in found.refused:
        print_sentence(
            f"not believed: {refused.provider}/{refused.model}: {refused.reason}", output, indent=6
        )
    for policy in policies:
        words = f" for {', '.join(policy.keywords)}" if policy.keywords else ""
        print_sentence(f"policy {policy.name}{words}", output, indent=6)


def _where(problem: Mapping[str, str]) -> str:
    """Return `FILE:LINE: KEY: `, as far as there is any."""
    return "".join(f"{part}: " for part in (problem["place"], problem["key"]) if part)


async def _look(settings: Settings) -> tuple[Discovered, list[Finding]]:
    from holdfast.app.discovering import discover_models  # noqa: PLC0415 - only this verb
    from holdfast.app.overseeing import find_function_problems  # noqa: PLC0415 - as above
    from holdfast.routing.config import RoutingConfig  # noqa: PLC0415 - as above
    from holdfast.routing.dispatching.inspecting import inspect  # noqa: PLC0415 - as above
    from holdfast.tracing.tracer import Tracer  # noqa: PLC0415 - as above

    clock = SystemClock()
    router = build_router(settings, Tracer(clock=clock), clock)
    try:
        found = await discover_models(settings, router.dispatcher, clock)
        catalogue = router.dispatcher.chooser.catalogue
        routing = settings.routing or RoutingConfig()
        findings = inspect(routing, settings.providers, catalogue, settings.model)
        return found, [*findings, *find_function_problems(settings)]
    finally:
        await router.close()


def _placed(settings: Settings, findings: Iterable[Finding]) -> Iterator[dict[str, str]]:
    """Yield each problem with the place of its setting in the file."""
    from holdfast.settings.lines import place_of  # noqa: PLC0415 - only for problems
    from holdfast.settings.reader import read_text  # noqa: PLC0415 - as above

    for each in findings:
        file, key = settings.home(each.key)
        place = "" if file is None else place_of(str(file), read_text(file), key)
        yield {"place": place, "key": key, "problem": each.problem, "hint": each.hint}


def _unanswered(found: Discovered) -> Iterator[dict[str, str]]:
    for problem in found.problems.values():
        yield {"place": "", "key": "", "problem": problem, "hint": ""}


def _provider(provider: ProviderConfig, found: Discovered) -> dict[str, Any]:
    # Providers that list no models, as those of the kind litellm, have only what the settings say.
    settled = {m: price and "configuration" for m, price in provider.models.items()}
    prices: Mapping[str, str | None] = found.sources.get(provider.name, settled)
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
