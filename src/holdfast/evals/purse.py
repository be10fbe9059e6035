"""Never spend more than was allowed: a budget over all calls of some providers."""

from __future__ import annotations

from holdfast.errors import BudgetExceeded
from holdfast.evals.passing import PassingProvider
from holdfast.routing.cost import most_msat
from holdfast.routing.seam import ModelReply, ModelRequest, OnText, Price, Provider


class Purse:
    """What may still be spent, in msat."""

    def __init__(self, msat: int) -> None:
        self._allowed = msat
        self.spent = 0

    def check(self, request: ModelRequest, price: Price | None) -> None:
        """Refuse a call that nobody can say the price of, or that comes after all is spent.

        Raises:
            BudgetExceeded: as above.
        """
        if price is None:
            raise BudgetExceeded(
                f"the price of {request.model!r} is unknown, so that no budget can hold",
                hint="give its prices in holdfast.toml",
            )
        if self.spent >= self._allowed and price != _FREE:
            raise BudgetExceeded(
                f"the budget of {self._allowed / 1000:g} sat is spent",
                hint="allow more with --budget-sats, or run fewer scenarios",
            )

    def pay(self, msat: int | None, request: ModelRequest, price: Price) -> None:
        """Note what a call cost; the most it may have cost if the provider did not count."""
        self.spent += _most(request, price) if msat is None else msat


class BudgetedProvider(PassingProvider):
    """Ask a real provider as long as the purse allows it."""

    def __init__(self, inner: Provider, purse: Purse) -> None:
        super().__init__(inner)
        self._purse = purse

    async def complete(self, request: ModelRequest, on_text: OnText | None) -> ModelReply:
        price = self._inner.price(request.model)
        self._purse.check(request, price)
        assert price is not None
        reply = await self._inner.complete(request, on_text)
        self._purse.pay(reply.cost_msat, request, price)
        return reply


_FREE = Price(input_msat_per_million=0, output_msat_per_million=0)
_UNBOUNDED_OUTPUT = 8192


def _most(request: ModelRequest, price: Price) -> int:
    """Return a bound: a token a byte in, `max_tokens` or 8,192 out."""
    inward = sum(len(each.content.encode("utf-8", "replace")) for each in request.messages)
    outward = request.max_tokens or _UNBOUNDED_OUTPUT
    return most_msat(price, inward, outward)
