"""Decide how much to hold for a request, so that a hard cap holds whatever the model answers. Pure.

Holding the worst case blocks others for money that is hardly ever spent: a limit of 8,000 tokens for
an answer of 300. Holding less and hoping breaks the cap on the day when all answers are long. So what is
held is what the answer may cost at most: where there is little room that is the likely length,
and the limit of tokens is lowered to what is held.
"""

from __future__ import annotations

from holdfast.routing.config import UNTOLD_OUTPUT
from holdfast.routing.cost import dearest_rates, most_msat
from holdfast.routing.ledger.entries import Reserve
from holdfast.routing.ledger.lengths import Sample
from holdfast.routing.seam import Price

QUANTILE = 0.95

_SHARE = 8
_LONGEST = 2
"""How many times the quantile of learned lengths an answer may be whose request names no limit."""
_MILLION = 1_000_000


def amount_to_reserve(
    price: Price | None,
    input_tokens: int,
    max_tokens: int | None,
    lengths: Sample,
    quantile: float = QUANTILE,
    room: int | None = None,
    untold: int = UNTOLD_OUTPUT,
) -> Reserve:
    """Return how much to hold, in msat, and the limit of tokens to send.

    Without a cap (`room` is None) the likely cost is held and the limit stays as it was. Under a
    cap the amount pays for every token up to the limit that is returned, which is at least the
    `quantile` of the lengths and at most `max_tokens`: the whole of it while it needs at most an
    eighth of the room. An amount above the room means that not even the likely answer fits. A request
    without `max_tokens` has the limit `untold`, or twice the quantile of what was learned of requests
    like it if that is less.

    `input_tokens` must not be too low: count a token a byte where nothing better is known.
    """
    if price is None:
        return Reserve(amount_msat=None, max_tokens=max_tokens)
    limit = _limit(max_tokens, lengths, quantile, untold)
    least = most_msat(price, input_tokens, min(lengths.quantile(quantile), limit))
    if room is None:
        return Reserve(amount_msat=least, max_tokens=max_tokens)
    most, amount = most_msat(price, input_tokens, limit), max(least, room // _SHARE)
    if most <= amount:
        return Reserve(amount_msat=most, max_tokens=limit)
    return Reserve(amount_msat=amount, max_tokens=_affordable(price, input_tokens, amount, limit))


def likely_tokens(
    max_tokens: int | None,
    lengths: Sample,
    quantile: float = QUANTILE,
    untold: int = UNTOLD_OUTPUT,
) -> int:
    """Return for how many tokens out money is held at least."""
    return min(lengths.quantile(quantile), _limit(max_tokens, lengths, quantile, untold))


def _limit(max_tokens: int | None, lengths: Sample, quantile: float, untold: int) -> int:
    if max_tokens is not None:
        return max_tokens
    if lengths.source in ("request", "model"):
        return min(untold, _LONGEST * lengths.quantile(quantile))
    return untold


def _affordable(price: Price, input_tokens: int, amount: int, limit: int) -> int:
    """Return how many tokens out an amount pays for, at most `limit`."""
    inward, outward = dearest_rates(price)
    if not outward:
        return limit
    spare = (amount - price.request_msat) * _MILLION - input_tokens * inward
    return min(limit, spare // outward)
