"""Ask providers which models they have and what they cost, again and again, and offer what is believable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from holdfast.errors import ProviderError
from holdfast.frozen import NamedTuple, field, frozen
from holdfast.routing.config import ProviderConfig
from holdfast.routing.prices.models import Listing, parse_models
from holdfast.routing.prices.quotes import Quote, Quotes, RefusedQuote, Source, configured
from holdfast.routing.seam import Price
from holdfast.tracing.billing.money import Exchange

_LONG = 8 * 1024
"""Bytes from which a list is read in a thread, so that nobody waits for it."""

MANY_MODELS = 500
"""Models above which prices are reckoned in a thread, for the same reason."""

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


class _Reckoned(NamedTuple):
    """What holds: the quotes, who lists which models, and by provider and model the quote that holds."""

    quotes: Quotes
    listed: Mapping[str, Mapping[str, int | None]]
    held: Mapping[str, Mapping[str, Quote | None]]
    refused: Sequence[RefusedQuote]

    @property
    def prices(self) -> Mapping[str, Mapping[str, Price | None]]:
        """The prices by provider and model; None where they are unknown."""
        return {
            name: {model: quote and quote.price for model, quote in held.items()}
            for name, held in self.held.items()
        }

    @property
    def sources(self) -> Mapping[str, Mapping[str, Source | None]]:
        """Who says them."""
        return {
            name: {model: quote and quote.source for model, quote in held.items()}
            for name, held in self.held.items()
        }


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
        self._listed: Mapping[str, Mapping[str, int | None]] = {}
        self._offered: Mapping[str, Mapping[str, Price | None]] = {}

    async def ask(self, at_ms: int) -> Discovered:
        """Ask those of the providers that are configured so, all at once, and let all offer what they have."""
        asked = [each for each in self._providers if each.config.auto_discover]
        every = await asyncio.gather(*(_list(each, self._exchange, at_ms) for each in asked))
        listings = {each.config.name: listing for each, listing in zip(asked, every, strict=True)}
        reckon = partial(self._reckon, listings, at_ms)
        is_long = sum(len(listing.models) for listing in every) > MANY_MODELS
        reckoned = await asyncio.to_thread(reckon) if is_long else reckon()
        self._quotes, self._listed = reckoned.quotes, reckoned.listed
        before, self._offered = self._offered, reckoned.prices
        for each in self._providers:
            name = each.config.name
            limits = {model: most for model, most in self._listed.get(name, {}).items() if most}
            each.offer(self._offered[name], partial(self._price, name), limits)
        refused = [each for listing in every for each in listing.refused]
        return Discovered(
            sources=reckoned.sources,
            problems={name: each.problem for name, each in listings.items() if each.problem},
            refused=(*refused, *reckoned.refused),
            changed=before != self._offered,
        )

    def _price(self, provider: str, model: str) -> Price | None:
        return self._quotes.price(provider, model)

    def _reckon(self, listings: Mapping[str, Listing], at_ms: int) -> _Reckoned:
        """Return which prices hold after what was listed; nothing of ours is changed, so that others can go on."""
        quotes, listed = self._quotes.copy(), dict(self._listed)
        for each in self._providers:
            prices = {
                (each.config.name, model): price for model, price in each.config.models.items()
            }
            quotes.offer(configured(prices, at_ms))
        for name, listing in listings.items():
            if not listing.problem:
                listed[name] = {model.id: model.max_output_tokens for model in listing.models}
                quotes.withdraw(name, "node")
                quotes.withdraw(name, "models")
                quotes.offer(listing.quotes)
        quotes.expire(at_ms - self._stale_ms)
        held = {
            each.config.name: _held(quotes, each.config, listed.get(each.config.name, {}))
            for each in self._providers
        }
        return _Reckoned(quotes, listed, held, quotes.refused())


def _held(
    quotes: Quotes, config: ProviderConfig, listed: Mapping[str, int | None]
) -> Mapping[str, Quote | None]:
    models = dict.fromkeys((*config.models, *listed))
    return {model: quotes.quote(config.name, model) for model in models}


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
