"""Read what a provider lists under `/v1/models`. It comes from a stranger: nothing in it is trusted.

Shapes: OpenAI (names only), OpenRouter (`pricing`, USD for a token as text) and Routstr (`sats_pricing`,
sat for a token). Sources: the API references of these, and `tests/routing/prices/test_models.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from holdfast.frozen import frozen
from holdfast.routing.prices.quotes import Quote, RefusedQuote, Source
from holdfast.routing.prices.units import Unit, read_amount, to_msat
from holdfast.routing.seam import Price
from holdfast.tracing.billing.money import Exchange
from holdfast.tracing.billing.prices import SAT

MOST_BYTES = 32 * 1024 * 1024
MOST_MODELS = 20_000
_MOST_NAME = 256
_MOST_TOKENS = 10**9
_MEMBERS = {
    "input_msat_per_million": "prompt",
    "output_msat_per_million": "completion",
    "cache_read_msat_per_million": "input_cache_read",
    "cache_write_msat_per_million": "input_cache_write",
    "reasoning_msat_per_million": "internal_reasoning",
}
"""Members of a price, and what OpenRouter and Routstr call them."""
_IF_NOT_ZERO = {
    "cache_read_msat_per_million",
    "cache_write_msat_per_million",
    "reasoning_msat_per_million",
}
"""A zero of these stands for "no price of its own" in both shapes, not for free tokens."""

Table = Mapping[str, object]


@frozen
class ListedModel:
    """A model that a provider lists; tokens are None where it does not say."""

    id: str
    context_tokens: int | None = None
    max_output_tokens: int | None = None


@frozen
class Listing:
    """What could be read of a list of models, and what not: `problem` if it is no list at all."""

    models: Sequence[ListedModel] = ()
    quotes: Sequence[Quote] = ()
    refused: Sequence[RefusedQuote] = ()
    problem: str = ""


def parse_models(
    document: bytes | str,
    provider: str,
    *,
    exchange: Exchange | None,
    at_ms: int,
) -> Listing:
    """Return the models of a document and their prices, by the rate of the day. Never raises.

    A price in sats is a quote of the node itself, one in USD what its list says (see `Source`). A price that cannot be read is refused with a reason, and the model has none then.
    """
    if len(document) > MOST_BYTES:
        return Listing(problem=f"the list is longer than {MOST_BYTES} bytes")
    try:
        loaded = json.loads(document)
    except (ValueError, RecursionError):
        return Listing(problem="the list of models is no JSON")
    entries = _entries(loaded)
    if entries is None:
        return Listing(problem="the document has no list of models in `data`")
    models: dict[str, ListedModel] = {}
    quotes: list[Quote] = []
    refused: list[RefusedQuote] = []
    for entry in entries[:MOST_MODELS]:
        name = _name(entry.get("id"))
        if name is None or name in models:
            continue
        models[name] = _listed(name, entry)
        source: Source = "node" if _table(entry.get("sats_pricing")) else "models"
        try:
            price = _price(entry, exchange, at_ms)
        except ValueError as error:
            told = str(error)
            refused.append(RefusedQuote(provider=provider, model=name, source=source, reason=told))
            continue
        if price is not None:
            quotes.append(
                Quote(provider=provider, model=name, price=price, source=source, at_ms=at_ms)
            )
    return Listing(models=tuple(models.values()), quotes=tuple(quotes), refused=tuple(refused))


def _entries(loaded: object) -> list[Table] | None:
    if isinstance(loaded, dict):
        table = cast("Table", loaded)
        loaded = table.get("data", table.get("models"))
    if not isinstance(loaded, list):
        return None
    return list(_tables(cast("list[object]", loaded)))


def _listed(name: str, entry: Table) -> ListedModel:
    top = _table(entry.get("top_provider"))
    return ListedModel(
        id=name,
        context_tokens=_tokens(entry.get("context_length"), top.get("context_length")),
        max_output_tokens=_tokens(
            top.get("max_completion_tokens"), entry.get("max_completion_tokens")
        ),
    )


def _price(entry: Table, exchange: Exchange | None, at_ms: int) -> Price | None:
    """Return the price of an entry, None if it tells none.

    Raises:
        ValueError: the price cannot be read.
    """
    sats, other = _table(entry.get("sats_pricing")), _table(entry.get("pricing"))
    pricing, money = (sats, SAT) if sats else (other, "USD")
    if pricing.get("prompt") is None or pricing.get("completion") is None:
        return None
    rates: dict[str, int] = {}
    for member, name in _MEMBERS.items():
        if pricing.get(name) is not None:
            rate = _msat(name, pricing[name], Unit(money=money, per="token"), exchange, at_ms)
            if rate or member not in _IF_NOT_ZERO:
                rates[member] = rate
    fee = _msat(
        "request", pricing.get("request") or 0, Unit(money=money, per="request"), exchange, at_ms
    )
    return Price(**rates, request_msat=fee)


def _msat(name: str, value: object, unit: Unit, exchange: Exchange | None, at_ms: int) -> int:
    try:
        amount = read_amount(value)
        return to_msat(amount, unit, exchange=exchange, at_ms=at_ms) if amount else 0
    except ValueError as error:
        raise ValueError(f"the price of {name}: {error}") from None


def _name(value: object) -> str | None:
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_NAME or not value.isprintable():
        return None
    return value


def _tokens(*values: object) -> int | None:
    for value in values:
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_TOKENS:
            return value
    return None


def _table(value: object) -> Table:
    return cast("Table", value) if isinstance(value, dict) else {}


def _tables(values: list[object]) -> Iterator[Table]:
    yield from (cast("Table", each) for each in values if isinstance(each, dict))
