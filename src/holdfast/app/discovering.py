"""Ask the providers of a project which models they have, and what they cost, now and then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import random
from typing import TYPE_CHECKING, cast

from holdfast.clock import Clock
from holdfast.settings import Settings

_MOST_WARNINGS = 5
_SPREAD = 0.2
"""Processes that began together ask at times that differ by up to this part of the interval."""

if TYPE_CHECKING:
    from holdfast.routing.dispatching.dispatcher import Dispatcher
    from holdfast.routing.prices.discovering import Discovered, Discovery, Listed


def discovery_of(settings: Settings, dispatcher: Dispatcher, clock: Clock) -> Discovery:
    """Return what asks the configured providers.

    Providers that were put in the place of configured ones are not asked.
    """
    from holdfast.app.traces import exchange_of  # noqa: PLC0415 - few projects want this
    from holdfast.routing.config import RoutingConfig  # noqa: PLC0415 - as above
    from holdfast.routing.prices.discovering import Discovery  # noqa: PLC0415 - as above
    from holdfast.routing.prices.genai import GenaiPrices  # noqa: PLC0415 - as above
    from holdfast.routing.prices.quotes import Quotes  # noqa: PLC0415 - as above

    every = dispatcher.providers.values()
    providers = [cast("Listed", each) for each in every if hasattr(each, "list_models")]
    exchange = exchange_of(settings)
    addresses = {each.config.name: each.config.base_url for each in providers}
    quotes = Quotes(GenaiPrices(exchange, clock, addresses) if exchange else None)
    routing = settings.routing or RoutingConfig()
    stale_ms = round(routing.stale_seconds * 1000)
    return Discovery(providers, quotes, exchange=exchange, stale_ms=stale_ms)


async def discover_models(settings: Settings, dispatcher: Dispatcher, clock: Clock) -> Discovered:
    """Let the configured providers offer what they list, once.

    That takes no longer than the longest of their connect timeouts.
    """
    found = await discovery_of(settings, dispatcher, clock).ask(clock.now_ms())
    dispatcher.refresh()
    return found


async def prepare_models(settings: Settings, dispatcher: Dispatcher, clock: Clock) -> None:
    """Find models and prices where the settings want it, once, and warn of what is wrong with them."""
    if _is_wanted(settings):
        _warn(await discover_models(settings, dispatcher, clock), set())


@asynccontextmanager
async def keeping_models(
    settings: Settings, dispatcher: Dispatcher, clock: Clock
) -> AsyncGenerator[None]:
    """Find models and prices as above, and again now and then while the block goes on.

    That is done also where nobody is asked for a list: prices in a currency follow its dated rates.
    """
    if not _is_wanted(settings):
        yield
        return
    discovery, warned = discovery_of(settings, dispatcher, clock), set[str]()
    _warn(await discovery.ask(clock.now_ms()), warned)
    dispatcher.refresh()
    every = dispatcher.config.discover_seconds
    task = asyncio.create_task(_keep_asking(discovery, dispatcher, clock, every, warned))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _keep_asking(
    discovery: Discovery, dispatcher: Dispatcher, clock: Clock, every: float, warned: set[str]
) -> None:
    """Ask until cancelled; each warning is given again only after it was out of the world."""
    while True:
        await clock.sleep(every * (1 - _SPREAD / 2 + _SPREAD * random()))  # noqa: S311 - no secret
        found = await discovery.ask(clock.now_ms())
        if found.changed:
            await dispatcher.renew()
        _warn(found, warned)


def _is_wanted(settings: Settings) -> bool:
    """Tell whether there are models to ask for, or prices that a table may know."""
    if any(each.auto_discover for each in settings.providers):
        return True
    priced = [bool(each.models) and None not in each.models.values() for each in settings.providers]
    return not all(priced) and settings.money is not None and _has_table()


def _has_table() -> bool:
    from importlib.util import find_spec  # noqa: PLC0415 - rarely needed

    return find_spec("genai_prices") is not None


def _warn(found: Discovered, warned: set[str]) -> None:
    """Warn of what was not warned of yet; what is wrong no longer is forgotten."""
    told = [f"{problem}; its models stay as they were" for problem in found.problems.values()]
    refused = [
        f"a price of {each.provider}/{each.model} ({each.source}) is not believed: {each.reason}"
        for each in found.refused
    ]
    new = [each for each in (*told, *refused) if each not in warned]
    logger = logging.getLogger("holdfast.routing")
    for each in new[:_MOST_WARNINGS]:
        logger.warning("%s", each)
    if (more := len(new) - _MOST_WARNINGS) > 0:
        logger.warning("%s more prices are not believed: see `holdfast route check`", more)
    warned.clear()
    warned.update(told, refused)
