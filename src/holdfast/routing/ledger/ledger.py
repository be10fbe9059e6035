"""Keep the money of all requests: hold it, debit it, give it back, and say where it went."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from holdfast.errors import StorageUnavailable
from holdfast.ids import new_holder_id
from holdfast.routing.ledger.accepting import check_amount, check_charges, check_id
from holdfast.routing.ledger.checking import find_faults
from holdfast.routing.ledger.conducts import read_conducts
from holdfast.routing.ledger.entries import (
    CANCELLED,
    OK,
    REFUSED,
    Amount,
    Cap,
    CapReached,
    NotOpen,
    ProviderCharges,
    RequestEnd,
    RequestStart,
    Reservation,
    Scope,
    Settled,
    Spent,
)
from holdfast.routing.ledger.lengths import Lengths
from holdfast.routing.ledger.reading import (
    read_charges,
    read_lengths,
    read_page,
    read_request,
    read_sums,
)
from holdfast.routing.ledger.reports import Filters, GroupBy, Logged, Order, Page, SortBy, Sums
from holdfast.routing.ledger.sessions import BookingSession, Reading, ReadingSession, Work
from holdfast.routing.ledger.tallies import read_spent
from holdfast.routing.prices.audit import Conduct
from holdfast.storage.lane import Lane
from holdfast.storage.seam import Ack
from holdfast.tracing.billing.money import Exchange

T = TypeVar("T")


class Ledger:
    """One file of all processes of a project; in each, one thread books what is queued at once.

        async with await Ledger.open(Path(".holdfast/ledger.db")) as ledger:
            held = await ledger.reserve(start, 5_000, [Cap(scope=Scope("owner", "ann"), limit_msat=10**6)])
            if isinstance(held, CapReached): ...
            await ledger.settle(held, RequestEnd(outcome=OK, attempts=(attempt,)))

    What was answered survives the death of the process at once, and a power cut too with
    `ack="disk"`. One machine only: the file must not lie on a network file system.
    """

    def __init__(
        self,
        writer: Lane[Work],
        reader: Lane[Reading],
        session: BookingSession,
        exchange: Exchange | None,
        *,
        waits_for_disk: bool,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._session = session
        self._exchange = exchange
        self._waits_for_disk = waits_for_disk
        self._unbooked: BaseException | None = None
        # While none is under way here, the next request is likely to come alone.
        self._under_way = set[int]()
        self.lengths = Lengths()
        """How long answers are; learned from what is settled here, and from the log when it is opened."""
        self.distrusted: Mapping[str, str] = {}
        """Providers that charged more than they quoted, and why they get no more requests."""

    @classmethod
    async def open(
        cls,
        path: Path | str,
        *,
        ack: Ack = "os",
        process: str | None = None,
        exchange: Exchange | None = None,
    ) -> Ledger:
        """Open the ledger, made when it is missing; with an exchange it also speaks a currency.

        What processes that died had on their way is in doubt from then on.

        Raises:
            StorageTooNew: the file has a schema of the future.
            StorageCorrupt: it is no ledger, or a damaged one.
            StorageUnavailable: it cannot be opened, or stays locked.
        """
        # An absolute path cannot be one of SQLite's magic names such as ":memory:".
        place = Path(path).expanduser().absolute()  # noqa: ASYNC240 - asks no disk
        session = BookingSession(place, ack, process or new_holder_id())
        writer = Lane(session, str(place), "holdfast-ledger")
        reader = Lane(ReadingSession(place), str(place), "holdfast-ledger-reader")
        await writer.start()
        try:
            await reader.start()
        except BaseException:
            await writer.stop()
            raise
        ledger = cls(writer, reader, session, exchange, waits_for_disk=ack == "disk")
        ledger.lengths = await reader.submit(read_lengths)
        await ledger.conducts()
        return ledger

    @property
    def currency(self) -> str:
        """The currency that amounts stand in besides msat; empty without one."""
        return self._exchange.currency if self._exchange else ""

    async def knows(self, *, model: str | None = None, provider: str | None = None) -> bool:
        """Tell whether any request names a model or a provider."""
        page = await self.requests(1, 1, filters=Filters(model=model, provider=provider))
        return page.total > 0

    async def close(self) -> None:
        """Finish what was asked for and close the file; what is still on its way is in doubt."""
        try:
            await self._reader.stop()
        finally:
            await self._writer.stop()
        self._raise_unbooked()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def reserve(
        self, start: RequestStart, amount_msat: Amount, caps: Sequence[Cap] = ()
    ) -> Reservation | CapReached:
        """Hold money for a request, or say which cap does not allow it; atomic across processes.

        `amount_msat` is an amount, or a rule such as `amounts.amount_to_reserve` that is told the room
        which all caps leave and decides within the transaction. None (the price is unknown) is
        held as nothing, and never allowed under a cap. If the caller is cancelled, what was held
        is released.

        Raises:
            UsageError: the id is none, or was used before; or the amount is negative.
            StorageError: the file failed; nothing is held.
        """
        check_id(start.id)
        if isinstance(amount_msat, int):
            check_amount(amount_msat)
        self._raise_unbooked()
        taken = tuple(caps)
        try:
            held = await self._writer.submit(
                lambda booking: booking.reserve(start, amount_msat, taken), now=not self._under_way
            )
        except asyncio.CancelledError:
            with suppress(StorageUnavailable):  # closed: there nothing stays on its way
                self._writer.submit(lambda booking: booking.release(start.id, None, CANCELLED))
            raise
        if isinstance(held, Reservation):
            self._under_way.add(held.number)
        return held

    async def extend(
        self, reservation: Reservation, amount_msat: Amount, caps: Sequence[Cap] = ()
    ) -> Reservation | CapReached | NotOpen:
        """Hold more for a request, for instance before a second call that may be charged as well."""
        if isinstance(amount_msat, int):
            check_amount(amount_msat)
        taken = tuple(caps)
        return await self._writer.submit(
            lambda booking: booking.extend(reservation, amount_msat, taken)
        )

    async def settle(self, reservation: Reservation, end: RequestEnd) -> Settled | NotOpen:
        """Debit what the attempts were charged and log the request, exactly once.

        A charge that nobody knows keeps what was held for it. It is booked also if the caller is
        cancelled meanwhile. A request that is settled or released already answers `NotOpen`.

        Raises:
            UsageError: a charge is negative or absurd.
        """
        check_charges(end)
        self._under_way.discard(reservation.number)
        try:
            settled = await self._writer.submit(lambda booking: booking.settle(reservation, end))
        except asyncio.CancelledError:  # what was handed over is booked all the same
            self._learn(reservation.start, end)
            raise
        if isinstance(settled, Settled):
            self._learn(reservation.start, end)
            if settled.distrusted:
                await self.conducts()
        return settled

    async def settle_soon(self, reservation: Reservation, end: RequestEnd) -> None:
        """Settle a request whose answer need not wait for it.

        It is booked with the next one, or a few milliseconds later. It is waited for with `ack="disk"`,
        and where somebody charged more than he quoted, so that he may be distrusted at once. Until then
        the amount is held, so that no cap is passed, and if the process dies the request is in doubt. A
        failure is raised by the next `reserve`.
        """
        if check_charges(end) or self._waits_for_disk:
            await self.settle(reservation, end)
            return
        self._under_way.discard(reservation.number)
        self._writer.leave(
            lambda booking: booking.settle(reservation, end),
            partial(self._note_settled, reservation.start, end),
        )

    def _note_settled(
        self,
        start: RequestStart,
        end: RequestEnd,
        settled: Settled | NotOpen | None,
        error: BaseException | None,
    ) -> None:
        if error is not None:
            self._unbooked = error
        elif isinstance(settled, Settled):
            self._learn(start, end)

    def _raise_unbooked(self) -> None:
        error, self._unbooked = self._unbooked, None
        if error is not None:
            raise error

    async def _read(self, reading: Callable[[sqlite3.Connection], T]) -> T:
        """Read what is booked, all that was settled before included."""
        if not self._writer.hurry():
            await self._writer.submit(lambda _: None)
        return await self._reader.submit(reading)

    async def release(
        self, reservation: Reservation, outcome: str, message: str = ""
    ) -> NotOpen | None:
        """Give back all that was held: nothing was sent. Outcome and message are logged."""
        request, number = reservation.request_id, reservation.number
        self._under_way.discard(number)
        return await self._writer.submit(
            lambda booking: booking.release(request, number, outcome, message)
        )

    def refuse(self, start: RequestStart, message: str) -> None:
        """Log a request that was not let in, and why: at once, unless somebody else is writing."""
        check_id(start.id)
        try:
            answer = self._writer.submit(lambda booking: booking.refuse(start, REFUSED, message))
        except StorageUnavailable:  # closed: nothing is logged any more
            return
        answer.add_done_callback(_note_unlogged)
        self._writer.hurry()  # so that it is kept before anybody is told

    async def resolve(self, request_id: str, charged_msat: int) -> Settled | NotOpen:
        """Debit what a request in doubt, or one with an unknown charge, cost after all."""
        check_id(request_id)
        check_amount(charged_msat)
        return await self._writer.submit(lambda booking: booking.resolve(request_id, charged_msat))

    async def sweep(self) -> int:
        """Put in doubt what processes that died had on their way; return how many requests.

        Call it now and then: it also looks whom other processes have come to distrust.
        """
        count = await self._writer.submit(self._session.sweep)
        await self.conducts()
        return count

    async def conducts(self) -> Mapping[str, Conduct]:
        """Return how each provider charged against what it quoted; `distrusted` is as new then."""
        told: Mapping[str, Conduct] = await self._read(read_conducts)
        self.distrusted = {name: each.distrust for name, each in told.items() if each.distrust}
        return told

    async def trust_again(self, provider: str) -> Conduct:
        """Give a provider that is distrusted another chance, and return its conduct."""
        conduct = await self._writer.submit(lambda booking: booking.conducts.reset(provider))
        await self.conducts()
        return conduct

    async def spent(self, scope: Scope) -> Spent:
        """Return what a scope has spent and holds."""
        return await self._read(lambda connection: read_spent(connection, scope))

    async def charges_of(self, provider: str) -> ProviderCharges:
        """Return what a provider charged for all requests, and of which nobody knows it."""
        return await self._read(lambda connection: read_charges(connection, provider))

    async def check(self) -> Sequence[str]:
        """Return a sentence for everything in the file that does not add up; it reads all of it."""
        return await self._read(find_faults)

    async def request(self, request_id: str) -> Logged | None:
        """Return a request with its attempts, None if it is not in the ledger."""
        check_id(request_id)
        exchange = self._exchange
        return await self._read(lambda connection: read_request(connection, request_id, exchange))

    async def requests(
        self,
        page: int = 1,
        per_page: int = 20,
        *,
        sort: SortBy = "at",
        order: Order = "desc",
        filters: Filters | None = None,
    ) -> Page:
        """Return a page of requests, at most 100; pages count from 1.

        Raises:
            UsageError: there is no such page, member to sort by, order or state.
        """
        wanted = filters or Filters()
        return await self._read(
            lambda connection: read_page(
                connection,
                page=page,
                per_page=per_page,
                sort=sort,
                order=order,
                filters=wanted,
                exchange=self._exchange,
            )
        )

    async def stats(
        self,
        filters: Filters | None = None,
        *,
        group_by: GroupBy | None = None,
    ) -> Sequence[Sums]:
        """Return what requests came to by group, the dearest first; without groups, one or none.

        Raises:
            UsageError: there are no such groups.
        """
        wanted = filters or Filters()
        return await self._read(
            lambda connection: read_sums(
                connection, filters=wanted, group_by=group_by, exchange=self._exchange
            )
        )

    def _learn(self, start: RequestStart, end: RequestEnd) -> None:
        if end.outcome != OK or len(end.attempts) != 1:
            return
        tokens = end.attempts[0].usage.output_tokens
        if tokens:  # embeddings have none
            self.lengths.learn(
                start.policy, end.model, start.request_class, tokens, cut_off=end.cut_off
            )


def _note_unlogged(answer: asyncio.Future[None]) -> None:
    if not answer.cancelled() and (error := answer.exception()) is not None:
        logging.getLogger("holdfast.routing").warning("a refused request was not logged: %s", error)
