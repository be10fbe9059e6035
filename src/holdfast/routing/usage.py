"""Read the usage that a provider reports, whichever way it counts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from holdfast.routing.seam import Usage
from holdfast.tracing.billing.usage import count_of, usage_of
from holdfast.tracing.meaning import TokenUsage

_SEARCHES: Final = ("citation_tokens", "num_search_queries")
_SEARCHED: Final = "search_context_size"
"""What Perplexity counts beside tokens, and the size by which it charges a request for its search."""


def read_usage(raw: Mapping[str, object]) -> Usage:
    """Return whole sums and their parts from a usage object of a provider.

    The tokens are taken apart by the rules of `holdfast.tracing.billing.usage`, so that a cached or a
    reasoning token is in its sum exactly once. What is not told, or is no count, is None.
    """
    return sum_up(usage_of(raw), beyond_tokens=counts_beyond_tokens(raw))


def counts_beyond_tokens(raw: Mapping[str, object]) -> bool:
    """Whether a usage object counts what is charged and is no token of the request or the answer."""
    return bool(raw.get(_SEARCHED)) or any(count_of(raw.get(name)) for name in _SEARCHES)


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
