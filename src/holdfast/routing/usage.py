"""Read the usage that a provider reports, whichever way it counts. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.routing.seam import Usage
from holdfast.tracing.billing.usage import counts_beyond_tokens, usage_of
from holdfast.tracing.meaning import TokenUsage


def read_usage(raw: Mapping[str, object]) -> Usage:
    """Return whole sums and their parts from a usage object of a provider.

    The tokens are taken apart by the rules of `holdfast.tracing.billing.usage`, so that a cached or a
    reasoning token is in its sum exactly once. What is not told, or is no count, is None.
    """
    return sum_up(usage_of(raw), beyond_tokens=counts_beyond_tokens(raw))


def sum_up(told: TokenUsage, *, beyond_tokens: bool = False) -> Usage:
    """Return whole sums and their parts from tokens that were taken apart."""
    written = told.cache_write
    if told.cache_write_1h is not None:
        written = (written or 0) + told.cache_write_1h
    return Usage(
        input_tokens=told.total_input,
        output_tokens=told.total_output,
        cache_read_tokens=told.cache_read,
        cache_write_tokens=written,
        reasoning_tokens=told.reasoning,
        beyond_tokens=beyond_tokens,
    )
