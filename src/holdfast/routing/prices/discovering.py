"""Ask providers which models they have and what they cost, again and again, and offer what is believable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from holdfast.errors import ProviderError
from holdfast.frozen import field, frozen
from holdfast.routing.config import ProviderConfig
from holdfast.routing.prices.models import Listing, parse_models
from holdfast.routing.prices.quotes import Quotes, RefusedQuote, Source, configured
from holdfast.routing.seam import Price
from holdfast.tracing.billing.money import Exchange

_LONG = 64 * 1024
"""Bytes from which a list is read in a thread, so that nobody waits for it."""

LatePrice = Callable[[str], Price | None]


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

    def offer(
        self, models: Mapping[str, Price | None], late: LatePrice, limits: Mapping[str, int]
    ) -> None:
        """Serve these models for these prices from now on.

        `late` tells prices of models beside them, `limits` the most tokens out of those that have any.
        """
        ...


@frozen
class Discovered:
    """What providers said: `problems` of those that did not, `refused` what nobody should believe."""

    sources: Mapping[str, Mapping[str, Source | None]]
    """By provider and model who says its price; None where it is unknown."""
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    refused: Sequence[RefusedQuote] = ()
    changed: bool = True
    """Whether a model or a price is another one than before."""


class Discovery:
    """What providers said last of their models and prices.

    A provider has the models of its settings, and then those that it lists; their prices are those
    that hold among all quotes. One that does not answer keeps what it listed before, and its quotes
    until they are older than `stale_ms`.
    """

    def __init__(
        self,
        providers: Sequence[Listed],
        quotes: Quotes,
        *,
        exchange: Exchange | None,
        stale_ms: int,
    ) -> None:
        self._providers = providers
        self._quotes = quotes
        self._exchange = exchange
        self._stale_ms = stale_ms
        self._listed: dict[str, Mapping[str, int | None]] = {}
        self._offered: dict[str, Mapping[str, Price | None]] = {}

    @property
    def asks(self) -> bool:
        """Whether any of the providers is asked for its list."""
        return any(each.config.auto_discover for each in self._providers)

    async def ask(self, at_ms: int) -> Discovered:
        """Ask those of the providers that are configured so, all at once, and let all offer what they have."""
        for each in self._providers:
            prices = {
                (each.config.name, model): price for model, price in each.config.models.items()
            }
            self._quotes.offer(configured(prices, at_ms))
        asked = [each for each in self._providers if each.config.auto_discover]
        every = await asyncio.gather(*(_list(each, self._exchange, at_ms) for each in asked))
        listings = {each.config.name: listing for each, listing in zip(asked, every, strict=True)}
        for name, listing in listings.items():
            if not listing.problem:
                self._take(name, listing)
        self._quotes.expire(at_ms - self._stale_ms)
        before, self._offered = self._offered, {}
        sources = {each.config.name: self._offer(each) for each in self._providers}
        refused = [each for listing in every for each in listing.refused]
        return Discovered(
            sources=sources,
            problems={name: each.problem for name, each in listings.items() if each.problem},
            refused=(*refused, *self._quotes.refused()),
            changed=before != self._offered,
        )

    def _take(self, name: str, listing: Listing) -> None:
        self._listed[name] = {model.id: model.max_output_tokens for model in listing.models}
        self._quotes.withdraw(name, "node")
        self._quotes.withdraw(name, "models")
        self._quotes.offer(listing.quotes)

    def _offer(self, provider: Listed) -> Mapping[str, Source | None]:
        name = provider.config.name
        listed = self._listed.get(name, {})
        models = dict.fromkeys((*provider.config.models, *listed))
        held = {model: self._quotes.quote(name, model) for model in models}
        offered = {model: quote and quote.price for model, quote in held.items()}
        limits = {model: most for model, most in listed.items() if most}
        provider.offer(offered, partial(self._quotes.price, name), limits)
        self._offered[name] = offered
        return {model: quote and quote.source for model, quote in held.items()}


async def _list(provider: Listed, exchange: Exchange | None, at_ms: int) -> Listing:
    try:
        document = await provider.list_models()
    except ProviderError as error:
        return Listing(problem=error.message)
    name = provider.config.name
    read = partial(parse_models, document, name, exchange=exchange, at_ms=at_ms)
    listing = read() if len(document) < _LONG else await asyncio.to_thread(read)
    if listing.models:
        return listing
    return Listing(problem=f"provider {name!r}: {listing.problem or 'it lists no models'}")
