"""Decide how much to hold for a request, so that a hard cap holds whatever the model answers. Pure.

Holding the worst case blocks others for money that is hardly ever spent: a limit of 8,000 tokens for
an answer of 300. Holding less and hoping breaks the cap on the day when all answers are long. So what is
held is what the answer may cost at most: where there is little room that is the likely length,
and the limit of tokens is lowered to what is held.
"""

from __future__ import annotations

from holdfast.routing.cost import dearest_rates, most_msat
from holdfast.routing.ledger.entries import Reserve
from holdfast.routing.ledger.lengths import Sample
from holdfast.routing.seam import Price

UNTOLD_OUTPUT = 16_384
"""The limit of tokens under a cap for a request that has none: pass the model's own where it is known."""

_SHARE = 8
_MILLION = 1_000_000


def amount_to_reserve(
    price: Price | None,
    input_tokens: int,
    max_tokens: int | None,
    lengths: Sample,
    quantile: float = 0.95,
    room: int | None = None,
) -> Reserve:
    """Return how much to hold, in msat, and the limit of tokens to send.

    Without a cap (`room` is None) the likely cost is held and the limit stays as it was. Under a
    cap the amount pays for every token up to the limit that is returned, which is at least the
    `quantile` of the lengths and at most `max_tokens`: the whole of it while it needs at most an
    eighth of the room. An amount above the room means that not even the likely answer fits.

    `input_tokens` must not be too low: count a token a byte where nothing better is known.
    """
    if price is None:
        return Reserve(amount_msat=None, max_tokens=max_tokens)
    limit = UNTOLD_OUTPUT if max_tokens is None else max_tokens
    likely = min(lengths.quantile(quantile), limit)
    least = most_msat(price, input_tokens, likely)
    if room is None:
        return Reserve(amount_msat=least, max_tokens=max_tokens)
    amount = max(least, min(most_msat(price, input_tokens, limit), room // _SHARE))
    return Reserve(amount_msat=amount, max_tokens=_affordable(price, input_tokens, amount, limit))


def _affordable(price: Price, input_tokens: int, amount: int, limit: int) -> int:
    """Return how many tokens out an amount pays for, at most `limit`."""
    inward, outward = dearest_rates(price)
    if not outward:
        return limit
    spare = (amount - price.request_msat) * _MILLION - input_tokens * inward
    return min(limit, spare // outward)
