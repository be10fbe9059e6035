"""Ask providers which models they have and what they cost, and offer what is believable."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from holdfast.errors import ProviderError
from holdfast.frozen import field, frozen
from holdfast.routing.config import ProviderConfig
from holdfast.routing.prices.models import Listing, parse_models
from holdfast.routing.prices.quotes import Quotes, RefusedQuote, Source, configured
from holdfast.routing.seam import Price
from holdfast.tracing.billing.money import Exchange


class Listed(Protocol):
    """A provider that can be asked what it has."""

    @property
    def config(self) -> ProviderConfig: ...

    async def list_models(self) -> bytes:
        """Return the document in which it lists its models.

        Raises:
            ProviderError: it did not answer, or would not.
        """
        ...

    def offer(self, models: Mapping[str, Price | None]) -> None:
        """Serve these models for these prices from now on."""
        ...


@frozen
class Discovered:
    """What providers said: `problems` of those that did not, `refused` what nobody should believe."""

    sources: Mapping[str, Mapping[str, Source | None]]
    """By provider and model who says its price; None where it is unknown."""
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    refused: Sequence[RefusedQuote] = ()


async def discover(
    providers: Sequence[Listed], quotes: Quotes, *, exchange: Exchange | None, at_ms: int
) -> Discovered:
    """Ask those of the providers that are configured so, all at once, and let them offer what they have.

    A provider has the models of its settings, and then those that it lists; their prices are those
    that hold among all quotes. One that does not answer keeps the models of its settings.
    """
    for each in providers:
        prices = {(each.config.name, model): price for model, price in each.config.models.items()}
        quotes.offer(configured(prices, at_ms))
    asked = [each for each in providers if each.config.auto_discover]
    listings = await asyncio.gather(*(_list(each, exchange, at_ms) for each in asked))
    for listing in listings:
        quotes.offer(listing.quotes)
    sources = {each.config.name: _configured(each.config) for each in providers}
    for each, listing in zip(asked, listings, strict=True):
        name = each.config.name
        models = dict.fromkeys((*each.config.models, *(model.id for model in listing.models)))
        held = {model: quotes.quote(name, model) for model in models}
        each.offer({model: quote and quote.price for model, quote in held.items()})
        sources[name] = {model: quote and quote.source for model, quote in held.items()}
    problems = {
        each.config.name: listing.problem
        for each, listing in zip(asked, listings, strict=True)
        if listing.problem
    }
    refused = [each for listing in listings for each in listing.refused]
    return Discovered(sources=sources, problems=problems, refused=(*refused, *quotes.refused()))


def _configured(config: ProviderConfig) -> Mapping[str, Source | None]:
    return {model: price and "configuration" for model, price in config.models.items()}


async def _list(provider: Listed, exchange: Exchange | None, at_ms: int) -> Listing:
    try:
        document = await provider.list_models()
    except ProviderError as error:
        return Listing(problem=error.message)
    name = provider.config.name
    listing = parse_models(document, name, exchange=exchange, at_ms=at_ms)
    if listing.models:
        return listing
    return Listing(problem=f"provider {name!r}: {listing.problem or 'it lists no models'}")
