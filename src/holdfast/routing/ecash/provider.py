"""A Routstr node: an OpenAI-compatible endpoint that is paid from a balance, which is kept topped up."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import orjson

from holdfast.clock import Clock
from holdfast.errors import ProviderRefused
from holdfast.frozen import replace
from holdfast.routing.config import ProviderConfig, fingerprint
from holdfast.routing.cost import most_msat
from holdfast.routing.dialects.seam import Document, Object
from holdfast.routing.ecash.coins import MSAT
from holdfast.routing.ecash.nodes import unknown_key
from holdfast.routing.ecash.purse import Payment, Purse
from holdfast.routing.faults import Fault
from holdfast.routing.ledger.amounts import UNTOLD_OUTPUT
from holdfast.routing.providers.chat import ChatProvider
from holdfast.routing.providers.exchange import Exchange
from holdfast.routing.providers.learned import Learned
from holdfast.routing.seam import Traits
from holdfast.tracing.billing.money import Exchange as Money

_TRIES = 3
_LIMITS = ("max_tokens", "max_completion_tokens")


class PaidProvider(ChatProvider):
    """Ask one node, and pay it.

    A node wants the most that a request can cost to be there before it runs. That depends on the limit
    of tokens, so one is always sent.
    """

    def __init__(
        self,
        config: ProviderConfig,
        purse: Purse,
        *,
        clock: Clock,
        money: Money | None = None,
        learned: Learned | None = None,
    ) -> None:
        super().__init__(config, clock=clock, money=money, learned=learned)
        self._purse = purse

    @property
    def traits(self) -> Traits:
        # The key changes with each refund, and says nothing about how the node fares.
        key = fingerprint(self.config.base_url)
        return replace(self.config.traits, key=key, overhead_msat=self._purse.overhead_msat)

    @property
    def embeds(self) -> bool:
        return True

    def key(self) -> str | None:
        return self._purse.key or None

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            await self._purse.close()

    async def embed(self, body: Object) -> tuple[Document, int | None]:
        for attempt in range(_TRIES):
            async with self._purse.paying(self._most(body, 0)) as payment:
                try:
                    read, payment.charged_msat = await super().embed(body)
                except ProviderRefused as error:
                    refused = self._paid_nothing(error, payment)
                else:
                    return read, payment.charged_msat
            await self._refill(attempt, refused)
        raise AssertionError("the last refusal was raised")

    @asynccontextmanager
    async def exchange(self, body: Object, *, stream: bool) -> AsyncGenerator[Exchange]:
        sent, limit = _limited(body)
        for attempt in range(_TRIES):
            begun = False
            async with self._purse.paying(self._most(sent, limit)) as payment:
                try:
                    async with super().exchange(sent, stream=stream) as exchange:
                        begun = True
                        yield exchange
                        payment.charged_msat = exchange.charged_msat
                        return
                except ProviderRefused as error:
                    if begun:
                        raise
                    refused = self._paid_nothing(error, payment)
            await self._refill(attempt, refused)

    def _paid_nothing(self, error: ProviderRefused, payment: Payment) -> ProviderRefused:
        """Return the refusal of a node that wants more money.

        Raises:
            ProviderRefused: it is another one.
        """
        if error.fault == Fault.AUTH:
            told = unknown_key(self.name)
            raise ProviderRefused(told.message, hint=told.hint, fault=Fault.AUTH) from error
        if error.fault != Fault.PAYMENT:
            raise error
        payment.charged_msat = 0
        return error

    async def _refill(self, attempt: int, refused: ProviderRefused) -> None:
        """Top up before another try.

        Raises:
            ProviderRefused: that was the last try, or nothing more may go to the node.
        """
        if attempt + 1 == _TRIES:
            raise refused
        try:
            await self._purse.refill(attempt)
        except ProviderRefused as error:
            raise ProviderRefused(
                f"provider {self.name!r} wants more for this request than it may have: {error.message}",
                hint="send a lower max_tokens, or raise its limit_sats",
                fault=Fault.PAYMENT,
            ) from error

    def _most(self, body: Object, limit: int) -> int:
        """Return the most that a request can cost, as far as anybody knows."""
        price = self.price(cast("str", body["model"]))
        if price is None:
            return MSAT
        return most_msat(price, len(orjson.dumps(body, default=dict)), limit)


def _limited(body: Object) -> tuple[Object, int]:
    """Return a body that has a limit of tokens out, and that limit."""
    for name in _LIMITS:
        limit = body.get(name)
        if isinstance(limit, int) and limit > 0:
            return body, limit
    return {**body, "max_tokens": UNTOLD_OUTPUT}, UNTOLD_OUTPUT
