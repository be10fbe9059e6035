"""A ledger against a model of it that is a dictionary: any sequence of bookings, crashes included."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from holdfast.routing.ledger.entries import (
    CapReached,
    NotOpen,
    Reservation,
    Scope,
    Settled,
    Spent,
)
from holdfast.routing.ledger.ledger import Ledger
from tests.routing.ledger.kit import TOTAL, cap, end, start

OWNERS = ("ann", "bob")
AMOUNT = st.integers(0, 1000)
CHARGES = st.lists(st.none() | AMOUNT, max_size=3)


@dataclass
class Entry:
    owner: str
    ledger: int
    held: int
    state: str = "open"
    debit: int = 0
    unknown: bool = False
    known_charges: list[int] = field(default_factory=list)


class LedgerMachine(RuleBasedStateMachine):
    """Two ledgers of one file; `crash` closes one without ado and opens it anew."""

    held = Bundle("held")

    @initialize()
    def open(self) -> None:
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.db"
        self.loop = asyncio.new_event_loop()
        self.model: dict[str, Entry] = {}
        self.ledgers = [self.run(Ledger.open(self.path)) for _ in range(2)]

    def run(self, work):
        return self.loop.run_until_complete(work)

    @rule(
        target=held,
        who=st.integers(0, 1),
        owner=st.sampled_from(OWNERS),
        amount=st.none() | AMOUNT,
        limit=st.none() | st.integers(0, 3000),
    )
    def reserve(self, who, owner, amount, limit):
        caps = [] if limit is None else [cap(limit, "owner", owner)]
        got = self.run(self.ledgers[who].reserve(start(owner, at_ms=0), amount, caps))
        counted = self.counted(owner)
        if limit is not None and (amount is None or counted + amount > limit):
            assert isinstance(got, CapReached)
            assert got.spent_msat + got.reserved_msat == counted
            return multiple()
        assert isinstance(got, Reservation)
        self.model[got.request_id] = Entry(owner, who, amount or 0)
        return got

    @rule(got=held, who=st.integers(0, 1), charges=CHARGES)
    def settle(self, got, who, charges):
        answer = self.run(self.ledgers[who].settle(got, end(*charges)))
        entry = self.model[got.request_id]
        if entry.state not in ("open", "in_doubt"):
            assert answer == NotOpen(request_id=got.request_id, state=entry.state)
            return
        entry.known_charges = [each for each in charges if each is not None]
        entry.debit, entry.unknown = sum(entry.known_charges), None in charges
        entry.held = max(0, entry.held - entry.debit) if entry.unknown else 0
        entry.state = "settled"
        charged = None if entry.unknown else entry.debit
        assert answer == Settled(
            debit_msat=entry.debit, charged_msat=charged, unknown_msat=entry.held
        )

    @rule(got=held, who=st.integers(0, 1))
    def release(self, got, who):
        answer = self.run(self.ledgers[who].release(got, "x"))
        entry = self.model[got.request_id]
        assert (answer is None) == (entry.state == "open")
        if answer is None:
            entry.state, entry.held = "released", 0

    @rule(got=held, who=st.integers(0, 1), more=AMOUNT)
    def extend(self, got, who, more):
        answer = self.run(self.ledgers[who].extend(got, more))
        entry = self.model[got.request_id]
        assert isinstance(answer, Reservation) == (entry.state == "open")
        if entry.state == "open":
            entry.held += more

    @rule(got=held, who=st.integers(0, 1), charge=AMOUNT)
    def resolve(self, got, who, charge):
        answer = self.run(self.ledgers[who].resolve(got.request_id, charge))
        entry = self.model[got.request_id]
        if entry.state == "in_doubt" or entry.unknown:
            assert answer == Settled(debit_msat=charge, charged_msat=charge)
            entry.state, entry.held, entry.debit, entry.unknown = "settled", 0, charge, False
            entry.known_charges = [charge]
        else:
            assert answer == NotOpen(request_id=got.request_id, state=entry.state)

    @rule(who=st.integers(0, 1))
    def crash(self, who):
        session = self.ledgers[who]._session
        session._booking.doubt = lambda processes: 0  # nobody is left to do it
        self.run(self.ledgers[who].close())
        self.ledgers[who] = self.run(Ledger.open(self.path))
        for entry in self.model.values():
            if entry.ledger == who and entry.state == "open":
                entry.state = "in_doubt"

    @precondition(lambda self: hasattr(self, "ledgers"))
    @invariant()
    def tallies_are_the_sums_of_the_model(self) -> None:
        for scope in (TOTAL, *(Scope("owner", each) for each in OWNERS)):
            mine = [e for e in self.model.values() if scope == TOTAL or e.owner == scope.name]
            ended = [e for e in mine if e.state in ("settled", "in_doubt")]
            expected = Spent(
                settled_msat=sum(sum(e.known_charges) for e in mine),
                reserved_msat=sum(e.held for e in mine if e.state == "open"),
                in_doubt_msat=sum(e.held for e in mine if e.state == "in_doubt"),
                unknown_msat=sum(e.held for e in mine if e.state == "settled"),
                requests=len(ended),
                unknown_requests=sum(e.unknown or e.state == "in_doubt" for e in ended),
            )
            for ledger in self.ledgers:
                assert self.run(ledger.spent(scope)) == expected

    def counted(self, owner: str) -> int:
        return sum(e.held + e.debit for e in self.model.values() if e.owner == owner)

    def teardown(self) -> None:
        if hasattr(self, "ledgers"):
            for ledger in self.ledgers:
                assert self.run(ledger.check()) == []
                self.run(ledger.close())
            self.loop.close()
            self.folder.cleanup()


@pytest.mark.promise("ledger-adds-up")
class TestLedgerModel(LedgerMachine.TestCase):
    settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
