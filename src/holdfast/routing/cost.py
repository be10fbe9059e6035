"""Money in whole thousandths of a satoshi (msat). Unknown stays unknown and is never zero."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.routing.seam import Price, Usage

_MILLION = 1_000_000


def cost_msat(price: Price | None, usage: Usage) -> int | None:
    """Return what a reply cost, rounded up to a whole msat; None if price or usage is unknown."""
    if price is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    parts = (
        usage.input_tokens * price.input_msat_per_million
        + usage.output_tokens * price.output_msat_per_million
    )
    return price.request_msat - (-parts // _MILLION)


def compare_cost(price: Price) -> int:
    """Return the cost of 1000 tokens in and 300 out in millionths of a msat, to compare by."""
    fee = price.request_msat * _MILLION
    return fee + 1000 * price.input_msat_per_million + 300 * price.output_msat_per_million


def total(amounts: Iterable[int | None]) -> int | None:
    """Return the sum, or None if any of the amounts is unknown."""
    known = 0
    for amount in amounts:
        if amount is None:
            return None
        known += amount
    return known


def format_msat(amount: int | None) -> str:
    """Return an amount for people: `unknown`, `0 sat`, `1.234 sat`."""
    if amount is None:
        return "unknown"
    sats, rest = divmod(abs(amount), 1000)
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{'-' if amount < 0 else ''}{sats}{fraction} sat"
