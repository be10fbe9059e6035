"""Ask the providers of a project which models they have, and what they cost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from holdfast.clock import Clock
from holdfast.settings import Settings

_MOST_WARNINGS = 5

if TYPE_CHECKING:
    from holdfast.routing.dispatching.dispatcher import Dispatcher
    from holdfast.routing.prices.discovering import Discovered


async def discover_models(settings: Settings, dispatcher: Dispatcher, clock: Clock) -> Discovered:
    """Let the configured providers with `auto_discover` offer what they list.

    That takes no longer than the longest of their connect timeouts. Providers that were put in the
    place of configured ones are not asked.
    """
    from holdfast.app.traces import exchange_of  # noqa: PLC0415 - few projects want this
    from holdfast.routing.prices.discovering import discover  # noqa: PLC0415 - as above
    from holdfast.routing.prices.genai import GenaiPrices  # noqa: PLC0415 - as above
    from holdfast.routing.prices.quotes import Quotes  # noqa: PLC0415 - as above
    from holdfast.routing.providers.chat import ChatProvider  # noqa: PLC0415 - as above

    providers = [each for each in dispatcher.providers.values() if isinstance(each, ChatProvider)]
    exchange = exchange_of(settings)
    addresses = {each.name: each.config.base_url for each in providers}
    quotes = Quotes(GenaiPrices(exchange, clock, addresses) if exchange else None)
    found = await discover(providers, quotes, exchange=exchange, at_ms=clock.now_ms())
    dispatcher.refresh()
    return found


async def prepare_models(settings: Settings, dispatcher: Dispatcher, clock: Clock) -> None:
    """Discover models where the settings want it, and warn of what is wrong with them."""
    if not any(each.auto_discover for each in settings.providers):
        return
    found = await discover_models(settings, dispatcher, clock)
    logger = logging.getLogger("holdfast.routing")
    for problem in found.problems.values():
        logger.warning("%s; its models are those of the settings", problem)
    for each in found.refused[:_MOST_WARNINGS]:
        place = f"{each.provider}/{each.model}"
        logger.warning("a price of %s (%s) is not believed: %s", place, each.source, each.reason)
    if (more := len(found.refused) - _MOST_WARNINGS) > 0:
        logger.warning("%s more prices are not believed: see `holdfast route check`", more)
