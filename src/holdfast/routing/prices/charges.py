"""What a provider says that it charged for an answer, in msat.

Sources: routstr-core's `x-routstr-cost-msats` and `usage.cost.total_msats`; OpenRouter's API reference,
"Usage accounting" (`usage.cost`, in USD); Perplexity's reference of the chat (`usage.cost.total_cost`, in USD).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import cast

from holdfast.clock import Clock
from holdfast.routing.dialects.values import as_object
from holdfast.routing.prices.units import read_amount
from holdfast.tracing.billing.money import Exchange

HEADER = "x-routstr-cost-msats"
_MOST_MSAT = 2**53
_MOST_DIGITS = 16


class Charges:
    """Reads charges; those in USD need a rate of the day."""

    def __init__(self, clock: Clock, money: Exchange | None = None) -> None:
        self._clock = clock
        self._money = money

    def in_headers(self, headers: Mapping[str, str]) -> int | None:
        """Return what the head of an answer says, None if it says nothing."""
        told = headers.get(HEADER)
        if told is None or not told.isascii() or not told.isdecimal() or len(told) > _MOST_DIGITS:
            return None
        return _believable(int(told))

    def in_usage(self, usage: object) -> int | None:
        """Return what the usage of an answer says, None if it says nothing that can be read."""
        cost = as_object(usage).get("cost")
        if cost is None:
            return None
        if not isinstance(cost, Mapping):
            return self._of_dollars(cost)
        told = cast("Mapping[str, object]", cost)
        msat = told.get("total_msats")
        if isinstance(msat, int) and not isinstance(msat, bool):
            return _believable(msat)
        return self._of_dollars(told.get("total_usd", told.get("total_cost")))

    def _of_dollars(self, amount: object) -> int | None:
        """Return an amount in USD in msat, rounded up; None without a rate, or if it is no amount."""
        if self._money is None or amount is None:
            return None
        try:
            dollars = read_amount(amount)
        except ValueError:
            return None
        msat = self._money.msat(dollars, "USD", self._clock.now_ms() * 1_000_000)
        return None if msat is None else _believable(ceil(msat))


def _believable(msat: int) -> int | None:
    return msat if 0 <= msat < _MOST_MSAT else None
