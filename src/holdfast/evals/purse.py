"""Never spend more than was allowed: a budget over all calls of some providers."""

from __future__ import annotations

import asyncio

from holdfast.errors import BudgetExceeded
from holdfast.evals.passing import PassingProvider
from holdfast.routing.cost import most_msat
from holdfast.routing.seam import ModelReply, ModelRequest, OnText, Price, Provider


class Purse:
    """What may still be spent, in msat; calls at once share it."""

    def __init__(self, msat: int) -> None:
        self._allowed = msat
        self.spent = 0
        self._held = 0
        self._changed = asyncio.Event()

    async def hold(self, request: ModelRequest, price: Price | None) -> int:
        """Hold the most that a call may cost until it is let go of, and return that.

        As long as what is held may use up what is left, a call waits for those before it: so that
        all together go beyond the budget by the price of one.

        Raises:
            BudgetExceeded: nobody can say the price of the call, or all is spent.
        """
        if price is None:
            raise BudgetExceeded(
                f"the price of {request.model!r} is unknown, so that no budget can hold",
                hint="give its prices in holdfast.toml",
            )
        if price == _FREE:
            return 0
        while self.spent < self._allowed <= self.spent + self._held:
            await self._changed.wait()
        if self.spent >= self._allowed:
            raise BudgetExceeded(
                f"the budget of {self._allowed / 1000:g} sat is spent",
                hint="allow more with --budget-sats, or run fewer scenarios",
            )
        most = _most(request, price)
        self._held += most
        return most

    def let_go(self, most: int, *, paid: int) -> None:
        """Hold no longer what was held for a call, and note what it cost."""
        self._held -= most
        self.spent += paid
        self._changed.set()
        self._changed = asyncio.Event()


class BudgetedProvider(PassingProvider):
    """Ask a real provider as long as the purse allows it."""

    def __init__(self, inner: Provider, purse: Purse) -> None:
        super().__init__(inner)
        self._purse = purse

    async def complete(self, request: ModelRequest, on_text: OnText | None) -> ModelReply:
        most = await self._purse.hold(request, self._inner.price(request.model))
        paid = 0
        try:
            reply = await self._inner.complete(request, on_text)
            # the most that it may have cost if the provider did not count
            paid = most if reply.cost_msat is None else reply.cost_msat
            return reply
        finally:
            self._purse.let_go(most, paid=paid)


_FREE = Price(input_msat_per_million=0, output_msat_per_million=0)
_UNBOUNDED_OUTPUT = 8192


def _most(request: ModelRequest, price: Price) -> int:
    """Return a bound: a token a byte in, `max_tokens` or 8,192 out."""
    inward = sum(len(each.content.encode("utf-8", "replace")) for each in request.messages)
    outward = request.max_tokens or _UNBOUNDED_OUTPUT
    return most_msat(price, inward, outward)
