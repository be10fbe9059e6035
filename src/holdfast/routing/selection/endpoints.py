"""Endpoints, each a model behind a provider, and the catalogue that finds them quickly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from holdfast.frozen import frozen
from holdfast.routing.breakers.board import Place
from holdfast.routing.seam import OFFLINE, Price, Traits

_LAYERS: Final = 4


class Rates(NamedTuple):
    """A price as floats for comparing: msat a token, and msat a request. Never used to pay."""

    inward: float
    outward: float
    cache_read: float
    reasoning: float
    request: float


@frozen
class Endpoint:
    """One model behind one provider; `order` is its place among all that were configured."""

    place: Place
    price: Price | None
    rates: Rates | None
    traits: Traits
    order: int

    @property
    def provider(self) -> str:
        """The name of the provider."""
        return self.place.provider

    @property
    def model(self) -> str:
        """The name of the model there."""
        return self.place.model


class Offer(NamedTuple):
    """What a provider offers: its models with their prices.

    `serves` says whether another name may be asked for: an alias, or any name at all (`takes_any`).
    """

    provider: str
    traits: Traits
    models: Sequence[tuple[str, Price | None]]
    takes_any: bool = False
    serves: Callable[[str], bool] = lambda _: False
    price_of: Callable[[str], Price | None] = lambda _: None


def make_endpoint(offer: Offer, model: str, price: Price | None, order: int) -> Endpoint:
    """Return the endpoint of a model of an offer."""
    return Endpoint(
        place=Place(offer.provider, offer.traits.key, model),
        price=price,
        rates=None if price is None else _rates(price, offer.traits),
        traits=offer.traits,
        order=order,
    )


class Catalogue:
    """All endpoints, by model and in layers of price."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self._offers = {offer.provider: offer for offer in offers}
        self._anything: list[tuple[int, Offer]] = []
        by_model: dict[str, list[Endpoint]] = {}
        order = 0
        for offer in self._offers.values():
            if offer.takes_any:
                self._anything.append((order, offer))
            for model, price in offer.models:
                endpoint = make_endpoint(offer, model, price, order)
                by_model.setdefault(model, []).append(endpoint)
                order += 1
            order += 1
        self._by_model = {model: tuple(found) for model, found in by_model.items()}
        speaking = [each for each in self.every() if each.provider != OFFLINE]
        self._models = tuple(speaking or self.every())
        self._layers: dict[bool, tuple[tuple[Endpoint, ...], ...]] = {}

    def renewed(self, offers: Iterable[Offer]) -> Catalogue:
        """Return that of other offers, with layers as far as they were needed before."""
        made = Catalogue(offers)
        for with_cache in tuple(self._layers):
            made.layers(with_cache=with_cache)
        return made

    def named(self, model: str) -> Sequence[Endpoint]:
        """Return the endpoints for a model, written `MODEL` or `PROVIDER/MODEL`."""
        provider, _, rest = model.partition("/")
        offer = self._offers.get(provider) if rest else None
        if offer is not None:
            return self._of_offer(offer, model, rest)
        found = self._by_model.get(model, ())
        if self._anything:
            found = (
                *found,
                *(make_endpoint(o, model, o.price_of(model), n) for n, o in self._anything),
            )
        return found or self._aliased(model, self._offers.values())

    def every(self) -> Iterable[Endpoint]:
        """Return all endpoints that have a name."""
        return (each for found in self._by_model.values() for each in found)

    def models(self) -> Sequence[Endpoint]:
        """Return those to choose from for a request that names no model.

        The extractor is free and no model: it would always win, so it is among them only if it is alone.
        """
        return self._models

    def anything(self) -> Sequence[Endpoint]:
        """Return an endpoint for each provider that takes any name; that name is unknown here: `*`."""
        return [make_endpoint(offer, "*", None, order) for order, offer in self._anything]

    def layers(self, *, with_cache: bool = False) -> Sequence[Sequence[Endpoint]]:
        """Return these in layers: none is cheaper in every respect than one before its own.

        The price of a cache counts only `with_cache`: it makes the layers larger. The last layer holds
        the rest, those without a price at its end.
        """
        if with_cache not in self._layers:
            self._layers[with_cache] = peel(self.models(), with_cache=with_cache)
        return self._layers[with_cache]

    def _of_offer(self, offer: Offer, model: str, rest: str) -> Sequence[Endpoint]:
        for name in (rest, model):
            found = [e for e in self._by_model.get(name, ()) if e.provider == offer.provider]
            if found:
                return found
        return self._aliased(rest, [offer])

    def _aliased(self, model: str, offers: Iterable[Offer]) -> Sequence[Endpoint]:
        serving = (each for each in offers if each.serves(model))
        return [make_endpoint(o, model, o.price_of(model), n) for n, o in enumerate(serving)]


def peel(
    endpoints: Sequence[Endpoint], *, with_cache: bool = False
) -> tuple[tuple[Endpoint, ...], ...]:
    """Take the cheapest endpoints off layer by layer: Pareto fronts over their rates."""
    priced = sorted(
        ((e.rates, e) for e in endpoints if e.rates is not None), key=lambda pair: pair[0][:2]
    )
    fronts: list[list[tuple[Rates, Endpoint]]] = [[] for _ in range(_LAYERS)]
    rest: list[Endpoint] = []
    for rates, endpoint in priced:
        for front in fronts:
            if not any(_dominates(other, rates, with_cache=with_cache) for other, _ in front):
                front.append((rates, endpoint))
                break
        else:
            rest.append(endpoint)
    unpriced = [each for each in endpoints if each.rates is None]
    return (*(tuple(e for _, e in front) for front in fronts), (*rest, *unpriced))


def _dominates(one: Rates, other: Rates, *, with_cache: bool) -> bool:
    return (
        one.outward <= other.outward
        and one.inward <= other.inward
        and one.request <= other.request
        and one.reasoning <= other.reasoning
        and (not with_cache or one.cache_read <= other.cache_read)
    )


def _rates(price: Price, traits: Traits) -> Rates:
    inward = price.input_msat_per_million / 1e6
    outward = price.output_msat_per_million / 1e6
    read, reasoning = price.cache_read_msat_per_million, price.reasoning_msat_per_million
    return Rates(
        inward,
        outward,
        inward if read is None else read / 1e6,
        outward if reasoning is None else reasoning / 1e6,
        float(price.request_msat + traits.overhead_msat),
    )
