"""Book requests: every change of the ledger, each within a transaction that somebody else began.

Whatever a request holds or was debited is in the tallies of all its scopes, so that these are the
sums of the rows at every commit.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter

from holdfast.errors import UsageError
from holdfast.frozen import NamedTuple, maker
from holdfast.routing.cost import total, total_usage
from holdfast.routing.ledger.conducts import Conducts
from holdfast.routing.ledger.entries import (
    Amount,
    Attempt,
    Cap,
    CapReached,
    NotOpen,
    RequestEnd,
    RequestStart,
    Reservation,
    Reserve,
    Scope,
    Settled,
    State,
)
from holdfast.routing.ledger.file import QUERIES
from holdfast.routing.ledger.tallies import Tallies
from holdfast.routing.seam import Usage

OPEN, IN_DOUBT, SETTLED, RELEASED = range(4)
STATES: tuple[State, ...] = ("open", "in_doubt", "settled", "released")
TOTAL = Scope("total")
_INSERT, _SETTLE = QUERIES["insert_request"], QUERIES["settle_request"]
_ATTEMPT = QUERIES["insert_attempt"]
_DAY_MS = 86_400_000

_reservation, _settled = maker(Reservation), maker(Settled)
_asked = attrgetter(
    "at_ms", "owner", "run_id", "key_id", "policy", "model", "request_class", "stream", "tier", "complexity"
)  # fmt: skip
_TOKENS = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"
)  # fmt: skip
_tokens = attrgetter(*_TOKENS)
_attempt = attrgetter(
    "provider", "model", "outcome", "quoted_msat", "charged_msat", "latency_ms", "first_byte_ms",
    *(f"usage.{each}" for each in _TOKENS),
)  # fmt: skip


class Row(NamedTuple):
    """What deciding about a request needs."""

    number: int
    state: int
    held: int
    debit: int
    unknown: int
    at_ms: int
    owner: str
    run: str
    key: str
    other_scopes: str | None

    @property
    def scopes(self) -> Sequence[Scope]:
        """Every scope that the request counts in."""
        own = own_scopes(self.at_ms // _DAY_MS, self.owner, self.run, self.key)
        if self.other_scopes is None:
            return own
        return (*own, *(Scope(*each) for each in json.loads(self.other_scopes)))


class Booking:
    """The changes of the ledger with one cursor, for one process."""

    def __init__(self, cursor: sqlite3.Cursor, process: str) -> None:
        self._cursor = cursor
        self._process = process
        self._version = -1
        self.tallies = Tallies(cursor)
        self.conducts = Conducts(cursor)

    def begin(self) -> None:
        """Forget what others changed; call it within a transaction that excludes them."""
        (version,) = self._cursor.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self.forget()
            self._version = version

    def forget(self) -> None:
        """Forget everything that is kept in memory: the transaction was undone."""
        self.tallies.forget()
        self.conducts.forget()

    def flush(self) -> None:
        """Write what is kept in memory and was changed."""
        self.tallies.flush()
        self.conducts.flush()

    def reserve(
        self, start: RequestStart, amount: Amount, caps: Sequence[Cap]
    ) -> Reservation | CapReached:
        """Hold money for a request if every cap allows it."""
        reserve, refusal = self._decide(amount, caps)
        if refusal is not None:
            return refusal
        scopes = own_scopes(start.at_ms // _DAY_MS, start.owner, start.run_id, start.key_id)
        others = {cap.scope: None for cap in caps if cap.scope not in scopes}
        held = reserve.amount_msat or 0
        number = self._insert(start, reserve.amount_msat, list(others))
        if others:
            scopes = (*scopes, *others)
        for tally in self.tallies.change(scopes):
            tally.reserved += held
        return _reservation(
            start=start,
            amount_msat=reserve.amount_msat,
            max_tokens=reserve.max_tokens,
            number=number,
            scopes=scopes,
        )

    def extend(
        self, reservation: Reservation, amount: Amount, caps: Sequence[Cap]
    ) -> Reservation | CapReached | NotOpen:
        """Hold more for a request that is on its way, if every cap allows that too."""
        row = self._find(reservation)
        if row is None or row.state != OPEN:
            return _not_open(reservation.request_id, row)
        reserve, refusal = self._decide(amount, caps)
        if refusal is not None:
            return refusal
        more = reserve.amount_msat or 0
        whole = total((reservation.amount_msat, reserve.amount_msat))
        self._cursor.execute(QUERIES["extend_request"], (whole, row.held + more, row.number))
        for tally in self.tallies.change(row.scopes):
            tally.reserved += more
        return Reservation(
            start=reservation.start,
            amount_msat=whole,
            max_tokens=reserve.max_tokens,
            number=row.number,
            scopes=reservation.scopes,
        )

    def settle(self, reservation: Reservation, end: RequestEnd) -> Settled | NotOpen:
        """Debit what was charged and give the rest back; keep what is held for unknown charges."""
        settled = self._settle(reservation, end, OPEN, reservation.amount_msat or 0)
        if settled is not None:
            return settled
        row = self._find(reservation)
        if row is None or row.state not in (OPEN, IN_DOUBT):
            return _not_open(reservation.request_id, row)
        settled = self._settle(reservation, end, row.state, row.held)
        assert settled is not None
        return settled

    def refuse(self, start: RequestStart, outcome: str, message: str) -> None:
        """Log a request of which nothing was sent and for which nothing was held."""
        row = (bytes.fromhex(start.id), *_asked(start), self._process, outcome, message)
        with suppress(sqlite3.IntegrityError):  # it is logged already
            self._cursor.execute(QUERIES["insert_refused"], row)

    def release(
        self, request_id: str, number: int | None, outcome: str, message: str = ""
    ) -> NotOpen | None:
        """Give everything back: nothing was sent."""
        row = self._row("request_by_number", number) if number else self._by_id(request_id)
        if row is None or row.state != OPEN:
            return _not_open(request_id, row)
        self._cursor.execute(QUERIES["release_request"], (outcome, message, row.number))
        for tally in self.tallies.change(row.scopes):
            tally.reserved -= row.held
        return None

    def resolve(self, request_id: str, charged_msat: int) -> Settled | NotOpen:
        """Debit what a request in doubt, or one with an unknown charge, cost after all."""
        row = self._by_id(request_id)
        if row is None or not row.unknown:
            return _not_open(request_id, row)
        self._cursor.execute(QUERIES["resolve_request"], (charged_msat, row.number))
        for tally in self.tallies.change(row.scopes):
            if row.state == IN_DOUBT:
                tally.in_doubt -= row.held
            else:
                tally.unknown -= row.held
            tally.settled += charged_msat - row.debit
            tally.unknowns -= 1
        return Settled(debit_msat=charged_msat, charged_msat=charged_msat)

    def doubt(self, processes: Iterable[str]) -> int:
        """Put in doubt what processes that are gone had on their way; return how many requests."""
        count = 0
        for process in processes:
            rows = self._cursor.execute(QUERIES["requests_of_process"], (process,)).fetchall()
            for row in map(Row._make, rows):
                self._cursor.execute(QUERIES["doubt_request"], (row.number,))
                for tally in self.tallies.change(row.scopes):
                    tally.reserved -= row.held
                    tally.in_doubt += row.held
                    tally.requests += 1
                    tally.unknowns += 1
            count += len(rows)
        return count

    def processes(self) -> Sequence[str]:
        """Return who has requests on their way."""
        return [name for (name,) in self._cursor.execute(QUERIES["processes_with_requests"])]

    def _settle(
        self, reservation: Reservation, end: RequestEnd, state: int, held: int
    ) -> Settled | None:
        """Settle a request that is in `state` and holds `held`; None if that is not so."""
        charged = debit = _total(end.attempts, "charged_msat")
        unknown = unknowns = 0
        if debit is None:
            debit = sum(attempt.charged_msat or 0 for attempt in end.attempts)
            unknown, unknowns = max(0, held - debit), 1
        if not self._write_end((unknown, debit, unknowns), end, (reservation.number, state, held)):
            return None
        for tally in self.tallies.change(reservation.scopes):
            if state == IN_DOUBT:
                tally.in_doubt -= held
                tally.unknowns -= 1
            else:
                tally.reserved -= held
                tally.requests += 1
            tally.settled += debit
            tally.unknown += unknown
            tally.unknowns += unknowns
        return _settled(
            debit_msat=debit,
            charged_msat=charged,
            unknown_msat=unknown,
            distrusted=self.conducts.observe(end.attempts),
        )

    def _decide(self, amount: Amount, caps: Sequence[Cap]) -> tuple[Reserve, CapReached | None]:
        """Return what to hold, and the tightest cap that does not allow it."""
        rooms = [cap.limit_msat - self.tallies.of(cap.scope).held for cap in caps]
        room = min(rooms) if rooms else None
        reserve = amount(room) if callable(amount) else Reserve(amount_msat=amount)
        if room is None:
            return reserve, None
        if reserve.amount_msat is not None and reserve.amount_msat <= room:
            return reserve, None
        return reserve, self._refusal(caps[rooms.index(room)], reserve.amount_msat)

    def _refusal(self, cap: Cap, wanted: int | None) -> CapReached:
        tally = self.tallies.of(cap.scope)
        return CapReached(
            scope=cap.scope,
            limit_msat=cap.limit_msat,
            spent_msat=tally.settled,
            reserved_msat=tally.held - tally.settled,
            wanted_msat=wanted,
        )

    def _insert(self, start: RequestStart, amount: int | None, others: Sequence[Scope]) -> int:
        scopes = json.dumps(others) if others else None
        row = (
            bytes.fromhex(start.id), *_asked(start), scopes, start.provider, self._process, amount, amount or 0,
        )  # fmt: skip
        try:
            number = self._cursor.execute(_INSERT, row).lastrowid
        except sqlite3.IntegrityError:
            raise UsageError(
                f"the request {start.id} is in the ledger already",
                hint="make a new id for each request",
            ) from None
        assert number
        return number

    def _write_end(
        self, money: tuple[int, int, int], end: RequestEnd, which: tuple[int, int, int]
    ) -> bool:
        """Write how a request ended, if it is as `which` says: number, state, what it holds."""
        attempts = end.attempts
        last = attempts[-1] if attempts else None
        usage = last.usage if last else Usage()
        if len(attempts) > 1:
            usage = total_usage(attempt.usage for attempt in attempts)
        row = (
            *money, _total(attempts, "quoted_msat"), end.outcome, end.message, end.provider, end.model, end.tier,
            end.latency_ms, last.first_byte_ms if last else None, end.retries, end.cut_off,
            *_tokens(usage), *which,
        )  # fmt: skip
        if not self._cursor.execute(_SETTLE, row).rowcount:
            return False
        for place, each in enumerate(attempts):
            self._cursor.execute(_ATTEMPT, (which[0], place, *_attempt(each)))
        return True

    def _find(self, reservation: Reservation) -> Row | None:
        return self._row("request_by_number", reservation.number)

    def _by_id(self, request_id: str) -> Row | None:
        return self._row("request_by_id", bytes.fromhex(request_id))

    def _row(self, query: str, key: object) -> Row | None:
        row = self._cursor.execute(QUERIES[query], (key,)).fetchone()
        return None if row is None else Row._make(row)


@lru_cache(256)
def own_scopes(day: int, owner: str, run: str, key: str) -> tuple[Scope, ...]:
    """Return the scopes that a request counts in whatever its caps are."""
    named = (("owner", owner), ("run", run), ("key", key))
    return TOTAL, day_scope(day), *(Scope(kind, name) for kind, name in named if name)


@lru_cache(64)
def day_scope(day: int) -> Scope:
    """Return the scope of a day, counted from the first one of the epoch in UTC."""
    return Scope("day", datetime.fromtimestamp(day * 86_400, UTC).date().isoformat())


def _total(attempts: Sequence[Attempt], member: str) -> int | None:
    if len(attempts) == 1:
        return getattr(attempts[0], member)
    return total(getattr(attempt, member) for attempt in attempts)


def _not_open(request_id: str, row: Row | None) -> NotOpen:
    return NotOpen(request_id=request_id, state=None if row is None else STATES[row.state])
