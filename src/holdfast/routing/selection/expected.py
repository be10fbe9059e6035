"""What a request is expected to cost at an endpoint: one function for every comparison.

In msat as a float, for comparing only: what is paid is counted in whole msat by `routing.cost`.
"""

from __future__ import annotations

from holdfast.frozen import NamedTuple
from holdfast.routing.selection.endpoints import Rates


class Tokens(NamedTuple):
    """What a request is expected to use: tokens in and out, and of those out for reasoning."""

    inward: int
    outward: int
    reasoning: int = 0


class Expectation(NamedTuple):
    """The parts of an expected cost, in msat."""

    inward: float
    cached: float
    outward: float
    reasoning: float
    fees: float
    retries: float

    @property
    def msat(self) -> float:
        """The whole of it."""
        return sum(self)


def expect(rates: Rates, tokens: Tokens, cached: int = 0, failing: float = 0.0) -> float:
    """Return the expected cost.

    `cached` are the tokens in that the endpoint still holds from earlier in the conversation, so
    that what is lost by switching away from it shows in the price of the others. `failing` is the share
    of calls that fail there: a call that fails is paid for with what went in and is made again.
    """
    inward_rate, outward_rate, read_rate, reasoning_rate, request = rates
    coming, going, reasoning = tokens
    inward = coming * inward_rate
    if cached:
        held = min(cached, coming)
        inward += held * (read_rate - inward_rate)
    whole = inward + going * outward_rate + request
    if reasoning:
        whole += reasoning * (reasoning_rate - outward_rate)
    if failing:
        whole += failing / (1.0 - min(failing, 0.9)) * (inward + request)
    return whole


def take_apart(rates: Rates, tokens: Tokens, cached: int = 0, failing: float = 0.0) -> Expectation:
    """Return the parts of what `expect` sums, for people."""
    held = min(cached, tokens.inward)
    parts = Expectation(
        inward=(tokens.inward - held) * rates.inward,
        cached=held * rates.cache_read,
        outward=(tokens.outward - tokens.reasoning) * rates.outward,
        reasoning=tokens.reasoning * rates.reasoning,
        fees=rates.request,
        retries=0.0,
    )
    return parts._replace(retries=expect(rates, tokens, cached, failing) - parts.msat)
