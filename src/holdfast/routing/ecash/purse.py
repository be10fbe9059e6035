"""See that the balance at a node covers each request before it is made.

What the node has is known from its last word and from what it charged since; requests on their way hold
their part. So the node is asked only now and then, and topped up by one request for all that wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from holdfast.errors import (
    CallerError,
    HoldfastError,
    NodeFailed,
    NotEnough,
    ProviderError,
    ProviderRefused,
    ProviderUnavailable,
    WalletError,
)
from holdfast.frozen import slotted
from holdfast.routing.config import Prepaid
from holdfast.routing.ecash.coins import MSAT
from holdfast.routing.ecash.limits import overhead_msat
from holdfast.routing.ecash.prepaying import Prepaying
from holdfast.routing.faults import Fault, fault_of_status

_FEE_MSAT = 2 * MSAT
"""What the mint may take when the node redeems a top-up."""


@slotted
class Payment:
    """A request that is paid from the balance; `charged_msat` is None while nobody knows."""

    charged_msat: int | None = None


class Purse:
    """The balance at one node, for all requests of a process. The wallet is opened when it is needed."""

    def __init__(self, name: str, prepaid: Prepaid, open_it: Callable[[], Prepaying]) -> None:
        self.name = name
        self.overhead_msat = overhead_msat(0, 0)
        """What paying for a request costs besides its price."""
        self._prepaid = prepaid
        self._open_it = open_it
        self._opened: Prepaying | None = None
        self._turn = asyncio.Lock()
        self._balance_msat: int | None = None
        """What the node has, less what it charged since; None if that is not known."""
        self._held_msat = 0

    @property
    def key(self) -> str:
        """The key at the node, empty before the first payment."""
        return self._opened.key if self._opened else ""

    @property
    def prepaying(self) -> Prepaying:
        """The balance.

        Raises:
            ProviderRefused: there is no wallet, and none can be made.
        """
        if self._opened is None:
            try:
                self._opened = self._open_it()
            except CallerError as error:
                raise self._refused(error) from error
        return self._opened

    async def close(self) -> None:
        """Close the wallet, if it was opened."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    @asynccontextmanager
    async def paying(self, most_msat: int) -> AsyncGenerator[Payment]:
        """Hold what a request may cost, topping up where that is not there.

        Where the limit does not allow so much the request is made all the same: the node knows
        best what it asks for.

        Raises:
            ProviderRefused: there is no money for the node.
            ProviderUnavailable: the node or the mint does not answer.
        """
        if self._free() < most_msat:
            await self._cover(most_msat)
        payment = Payment()
        self._held_msat += most_msat
        try:
            yield payment
        finally:
            self._held_msat -= most_msat
            if payment.charged_msat is None:
                self._balance_msat = None
            elif self._balance_msat is not None:
                self._balance_msat -= payment.charged_msat

    async def refill(self, attempt: int) -> None:
        """Top up as the node says that there is too little: by the usual amount, then up to the limit.

        Raises:
            ProviderRefused: the limit or the wallet does not allow it.
            ProviderUnavailable: the node or the mint does not answer.
        """
        missing = 0 if attempt == 0 else self._prepaid.limit_sat * MSAT
        async with self._turn:
            await self._top_up(missing)

    def _free(self) -> int:
        if self._balance_msat is None or not self.key:
            return -1
        return self._balance_msat - self._held_msat

    async def _cover(self, most_msat: int) -> None:
        async with self._turn:
            if self._balance_msat is None and self.prepaying.key:
                await self._look()
            if self._free() >= most_msat:
                return
            try:
                await self._top_up(most_msat - max(0, self._free()) + _FEE_MSAT)
            except ProviderRefused:
                if self._free() <= 0:
                    raise

    async def _look(self) -> None:
        try:
            self._balance_msat = (await self.prepaying.look()).msat
        except WalletError as error:
            raise _failed(error) from error

    async def _top_up(self, missing_msat: int) -> None:
        try:
            told = await self.prepaying.top_up(missing_msat=missing_msat)
            self.overhead_msat = await self.prepaying.overhead_msat()
        except (CallerError, NotEnough) as error:
            raise self._refused(error) from error
        except WalletError as error:
            raise _failed(error) from error
        self._balance_msat = told.msat

    def _refused(self, error: HoldfastError) -> ProviderRefused:
        return ProviderRefused(
            f"provider {self.name!r} cannot be paid: {error.message}",
            hint=error.hint,
            fault=Fault.PAYMENT,
        )


def _failed(error: WalletError) -> ProviderError:
    if isinstance(error, NodeFailed) and fault_of_status(error.status) is Fault.AUTH:
        return ProviderRefused(error.message, hint=error.hint, fault=Fault.AUTH)
    return ProviderUnavailable(error.message, hint=error.hint, fault=Fault.SERVER)
