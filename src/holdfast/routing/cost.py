"""Money in whole thousandths of a satoshi (msat). Unknown stays unknown and is never zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdfast.frozen import replace
from holdfast.routing.seam import ModelReply, Price, Usage

_MILLION = 1_000_000


def cost_msat(price: Price | None, usage: Usage) -> int | None:
    """Return what a reply cost, rounded up to a whole msat; None if price or usage is unknown."""
    if price is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    if usage.beyond_tokens:
        return None
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    thought = usage.reasoning_tokens or 0
    inward, outward = price.input_msat_per_million, price.output_msat_per_million
    parts = (
        # parts that exceed their sum are charged all the same
        max(0, usage.input_tokens - read - written) * inward
        + read * _or(price.cache_read_msat_per_million, inward)
        + written * _or(price.cache_write_msat_per_million, inward)
        + max(0, usage.output_tokens - thought) * outward
        + thought * _or(price.reasoning_msat_per_million, outward)
    )
    return price.request_msat - (-parts // _MILLION)


def most_msat(price: Price, input_tokens: int, output_tokens: int) -> int:
    """Return the most that so many tokens can cost, whatever part is cached or reasoning."""
    inward, outward = dearest_rates(price)
    return price.request_msat - (-(input_tokens * inward + output_tokens * outward) // _MILLION)


def dearest_rates(price: Price) -> tuple[int, int]:
    """Return the most that a million tokens cost in and out, whatever kind they are."""
    inward = max(
        price.input_msat_per_million,
        price.cache_write_msat_per_million or 0,
        price.cache_read_msat_per_million or 0,
    )
    return inward, max(price.output_msat_per_million, price.reasoning_msat_per_million or 0)


def total_usage(usages: Iterable[Usage]) -> Usage:
    """Return the sum; a member that one of them does not tell stays untold."""
    every = tuple(usages)
    return Usage(
        input_tokens=total(each.input_tokens for each in every),
        output_tokens=total(each.output_tokens for each in every),
        cache_read_tokens=total(each.cache_read_tokens for each in every),
        cache_write_tokens=total(each.cache_write_tokens for each in every),
        reasoning_tokens=total(each.reasoning_tokens for each in every),
        beyond_tokens=any(each.beyond_tokens for each in every),
    )


def total(amounts: Iterable[int | None]) -> int | None:
    """Return the sum, or None if any of the amounts is unknown."""
    known = 0
    for amount in amounts:
        if amount is None:
            return None
        known += amount
    return known


def total_reply(replies: Sequence[ModelReply], value: object) -> ModelReply:
    """Return the last reply with `value`, and with the usage, cost and calls of all."""
    return replace(
        replies[-1],
        value=value,
        usage=total_usage(reply.usage for reply in replies),
        cost_msat=total(reply.cost_msat for reply in replies),
        calls=sum(reply.calls for reply in replies),
    )


def format_msat(amount: int | None) -> str:
    """Return an amount for people: `unknown`, `0 sat`, `1.234 sat`."""
    if amount is None:
        return "unknown"
    sats, rest = divmod(abs(amount), 1000)
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{'-' if amount < 0 else ''}{sats}{fraction} sat"


def _or(price: int | None, usual: int) -> int:
    return usual if price is None else price
