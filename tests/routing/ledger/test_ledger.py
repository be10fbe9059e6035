"""Money is held, debited once and given back; nothing is counted as free that is not."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from holdfast.errors import (
    StorageCorrupt,
    StorageTooNew,
    StorageUnavailable,
    UsageError,
)
from holdfast.ids import new_run_id
from holdfast.routing.ledger.accepting import MOST_MSAT
from holdfast.routing.ledger.entries import (
    CapReached,
    NotOpen,
    Reserve,
    Scope,
    Settled,
    Spent,
)
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.ledger.reports import Filters
from holdfast.tracing.billing.money import Exchange
from tests.routing.ledger.kit import AT, TOTAL, cap, end, held, start

pytestmark = pytest.mark.anyio


async def test_a_settled_request_is_debited_what_its_attempts_were_charged(ledger):
    got = await held(ledger, 1000, run="r1")
    assert (await ledger.spent(TOTAL)).reserved_msat == 1000
    assert await ledger.settle(got, end(300, 450)) == Settled(debit_msat=750, charged_msat=750)
    for scope in (
        ("total", ""),
        ("owner", "ann"),
        ("run", "r1"),
        ("key", "k1"),
        ("day", "2026-11-26"),
    ):
        assert await ledger.spent(Scope(*scope)) == Spent(settled_msat=750, requests=1)
    assert await ledger.spent(Scope("owner", "bob")) == Spent()


async def test_a_second_settlement_is_refused_and_changes_nothing(ledger):
    got = await held(ledger)
    await ledger.settle(got, end(300))
    assert await ledger.settle(got, end(999)) == NotOpen(request_id=got.request_id, state="settled")
    assert await ledger.release(got, "late") == NotOpen(request_id=got.request_id, state="settled")
    assert await ledger.spent(TOTAL) == Spent(settled_msat=300, requests=1)


async def test_what_is_released_is_free_again_and_stays_in_the_log(ledger):
    got = await held(ledger)
    assert await ledger.release(got, "no provider") is None
    assert await ledger.spent(TOTAL) == Spent()
    logged = await ledger.request(got.request_id)
    assert (logged.state, logged.outcome, logged.charged_msat) == ("released", "no provider", 0)
    assert (await ledger.settle(got, end(1))).state == "released"


@pytest.mark.promise("unknown-cost-is-unknown")
async def test_an_unknown_charge_keeps_what_was_held_and_is_never_zero(ledger):
    got = await held(ledger, 1000)
    settled = await ledger.settle(got, end(300, None))
    assert settled == Settled(debit_msat=300, charged_msat=None, unknown_msat=700)
    spent = await ledger.spent(TOTAL)
    assert spent == Spent(settled_msat=300, unknown_msat=700, requests=1, unknown_requests=1)
    assert isinstance(await ledger.reserve(start(), 1, [cap(1000)]), CapReached)
    assert (await ledger.request(got.request_id)).charged_msat is None
    assert await ledger.resolve(got.request_id, 450) == Settled(debit_msat=450, charged_msat=450)
    assert await ledger.spent(TOTAL) == Spent(settled_msat=450, requests=1)
    assert (await ledger.resolve(got.request_id, 1)).state == "settled"


async def test_a_cap_counts_what_is_spent_and_what_is_held(ledger):
    caps = [cap(10_000), cap(1000, "owner", "ann")]
    first = await held(ledger, 600, *caps)
    refused = await ledger.reserve(start(), 401, caps)
    assert refused == CapReached(
        scope=Scope("owner", "ann"),
        limit_msat=1000,
        spent_msat=0,
        reserved_msat=600,
        wanted_msat=401,
    )
    assert "owner 'ann' does not allow another 0.401 sat" in refused.message
    await held(ledger, 400, *caps)
    await ledger.settle(first, end(100))
    await held(ledger, 500, *caps)
    assert isinstance(await ledger.reserve(start(), 1, caps), CapReached)


async def test_a_request_counts_once_in_every_scope_that_caps_it(ledger):
    tomorrow, other = cap(1000, "day", "2026-11-27"), cap(1000, "owner", "bob")
    got = await held(ledger, 600, tomorrow, other, other, cap(5000, "owner", "ann"))
    for scope in (tomorrow.scope, other.scope, Scope("owner", "ann"), Scope("day", "2026-11-26")):
        assert (await ledger.spent(scope)).reserved_msat == 600
    assert isinstance(await ledger.reserve(start(), 401, [tomorrow]), CapReached)
    await ledger.settle(got, end(50))
    assert await ledger.spent(other.scope) == Spent(settled_msat=50, requests=1)
    assert await ledger.check() == []


async def test_more_scopes_than_are_kept_in_memory_are_counted_all_the_same(ledger, monkeypatch):
    monkeypatch.setattr("holdfast.routing.ledger.tallies._MOST_KEPT", 3)
    for owner in ("ann", "bob", "cat", "ann"):
        await held(ledger, 400, cap(900, "owner", owner), owner=owner)
        assert len(ledger._session._booking.tallies._known) <= 3
    assert (await ledger.spent(TOTAL)).reserved_msat == 1600
    assert isinstance(await ledger.reserve(start(), 101, [cap(900, "owner", "ann")]), CapReached)
    assert await ledger.check() == []


async def test_a_request_of_unknown_price_passes_no_cap(ledger):
    refused = await ledger.reserve(start(), None, [cap(10**9)])
    assert refused.wanted_msat is None
    assert "nobody knows the price" in refused.message
    assert (await held(ledger, None)).amount_msat is None


async def test_a_rule_is_told_the_room_within_the_transaction(ledger):
    rooms: list[int | None] = []

    def take_half(room: int | None) -> Reserve:
        rooms.append(room)
        return Reserve(amount_msat=(room or 0) // 2, max_tokens=7)

    caps = [cap(1000), cap(900, "project", "x")]
    got = [await ledger.reserve(start(), take_half, caps) for _ in range(2)]
    assert rooms == [900, 450]
    assert [each.amount_msat for each in got] == [450, 225]
    assert got[0].max_tokens == 7
    await ledger.settle(got[0], end(400))
    assert await ledger.spent(Scope("project", "x")) == Spent(
        settled_msat=400, reserved_msat=225, requests=1
    )


async def test_more_can_be_held_for_a_second_call(ledger):
    got = await held(ledger, 600, cap(1000))
    assert isinstance(await ledger.extend(got, 401, [cap(1000)]), CapReached)
    more = await ledger.extend(got, 400, [cap(1000)])
    assert more.amount_msat == 1000
    assert await ledger.settle(more, end(600, 300)) == Settled(debit_msat=900, charged_msat=900)
    assert await ledger.spent(TOTAL) == Spent(settled_msat=900, requests=1)
    assert (await ledger.extend(more, 1)).state == "settled"


async def test_an_amount_that_is_not_known_stays_so_when_more_is_held(ledger):
    more = await ledger.extend(await held(ledger, None), 400)
    assert more.amount_msat is None
    settled = await ledger.settle(more, end(None))
    assert settled == Settled(debit_msat=0, charged_msat=None, unknown_msat=400)
    assert (await ledger.request(more.request_id)).reserved_msat is None
    assert await ledger.check() == []


async def test_a_caller_who_leaves_while_money_is_being_held_holds_nothing(ledger):
    await held(ledger, 30)  # while that is on its way nobody is served at once
    asking = asyncio.ensure_future(ledger.reserve(start(), 500))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await ledger.sweep()  # behind the release in the queue
    assert await ledger.spent(TOTAL) == Spent(reserved_msat=30)


async def test_what_cannot_be_booked_is_refused_with_a_reason(ledger):
    request = start()
    await ledger.reserve(request, 1)
    with pytest.raises(UsageError, match="in the ledger already"):
        await ledger.reserve(request, 1)
    for wrong in ("zz", "A" * 32, "g" * 32, "a" * 34):
        with pytest.raises(UsageError, match="no id of a request"):
            await ledger.reserve(start(id=wrong), 1)
    for amount in (-1, MOST_MSAT + 1):
        with pytest.raises(UsageError, match="no amount to book"):
            await ledger.reserve(start(), amount)
        with pytest.raises(UsageError, match="no amount to book"):
            await ledger.extend(await held(ledger), amount)
        with pytest.raises(UsageError, match="no amount to book"):
            await ledger.resolve(request.id, amount)
        with pytest.raises(UsageError, match="no amount to book"):
            await ledger.settle_soon(await held(ledger), end(amount))
    with pytest.raises(UsageError, match="no amount to book"):
        await ledger.settle(await held(ledger), end(-1))
    assert (await ledger.resolve(new_run_id(), 5)).state is None
    assert await ledger.request(new_run_id()) is None


async def test_a_request_is_read_back_with_its_attempts(ledger):
    request = start(
        policy="cheap", request_class="chat", stream=True, tier="local", complexity=0.25
    )
    got = await ledger.reserve(request, 1000)
    told = replace(end(300, 200), tier="frontier")
    await ledger.settle(got, told)
    logged = await ledger.request(request.id)
    assert (logged.id, logged.asked_model, logged.policy) == (request.id, "gpt", "cheap")
    assert (logged.request_class, logged.stream, logged.asked_tier, logged.complexity) == (
        "chat", True, "local", 0.25,
    )  # fmt: skip
    assert (logged.reserved_msat, logged.charged_msat, logged.quoted_msat) == (1000, 500, 500)
    assert (logged.retries, logged.usage.input_tokens, logged.state) == (1, 20, "settled")
    assert (logged.attempts, logged.tier) == (told.attempts, "frontier")


async def test_pages_are_sorted_filtered_and_counted(ledger):
    for number in range(5):
        got = await held(ledger, 1000, owner="ann" if number % 2 else "bob", at_ms=AT + number)
        await ledger.settle(got, end(number * 10, outcome="ok" if number else "http_500"))
    page = await ledger.requests(2, 2, sort="cost", order="asc")
    assert ([each.debit_msat for each in page.requests], page.total) == ([20, 30], 5)
    newest = await ledger.requests(filters=Filters(owner="bob", since_ms=AT + 1))
    assert [each.debit_msat for each in newest.requests] == [40, 20]
    failed = await ledger.requests(filters=Filters(success=False))
    assert [each.outcome for each in failed.requests] == ["http_500"]
    assert (await ledger.requests(filters=Filters(state="open"))).total == 0
    for wrong in ({"per_page": 101}, {"page": 0}, {"sort": "id"}, {"order": "1; DROP"}):
        with pytest.raises(UsageError):
            await ledger.requests(**wrong)
    with pytest.raises(UsageError, match="no state"):
        await ledger.requests(filters=Filters(state="gone"))


async def test_sums_are_by_group_and_in_a_currency_by_the_rate_of_each_day(tmp_path):
    rates = {date(2026, 11, 26): Decimal(100_000), date(2026, 11, 27): Decimal(200_000)}
    exchange = Exchange("USD", rates)
    async with await Ledger.open(tmp_path / "ledger.db", exchange=exchange) as ledger:
        for day in range(2):
            got = await held(ledger, 5_000_000, at_ms=AT + day * 86_400_000)
            await ledger.settle(got, end(1_000_000))
        await ledger.release(await held(ledger), "cancelled")
        await ledger.settle(await held(ledger, 70), end(None))
        (whole,) = await ledger.stats()
        assert (whole.requests, whole.ok, whole.debit_msat, whole.held_msat) == (
            3,
            3,
            2_000_000,
            70,
        )
        assert (whole.unknown_requests, whole.micros) == (1, 1_000_000 + 2_000_000)
        days = await ledger.stats(group_by="day")
        assert [each.group for each in days] == ["2026-11-26", "2026-11-27"]
        assert [each.micros for each in days] == [1_000_000, 2_000_000]
        (model,) = await ledger.stats(
            Filters(since_ms=AT + 1, model="gpt", provider="node"), group_by="model"
        )
        assert (model.group, model.requests, model.mean_latency_ms) == ("gpt", 1, 20)
        assert await ledger.stats(Filters(until_ms=AT)) == []
        with pytest.raises(UsageError, match="group_by"):
            await ledger.stats(group_by="secret")


async def test_what_a_process_leaves_open_is_in_doubt_until_somebody_resolves_it(tmp_path):
    path = tmp_path / "ledger.db"
    async with await Ledger.open(path) as other:
        async with await Ledger.open(path) as first:
            got = await held(first, 800)
            assert await other.sweep() == 0
        spent = await other.spent(TOTAL)
        assert spent == Spent(in_doubt_msat=800, requests=1, unknown_requests=1)
        assert isinstance(await other.reserve(start(), 201, [cap(1000)]), CapReached)
        assert (await other.stats())[0].in_doubt == 1
        assert await other.resolve(got.request_id, 350) == Settled(debit_msat=350, charged_msat=350)
        assert await other.spent(TOTAL) == Spent(settled_msat=350, requests=1)


async def test_a_booking_that_breaks_undoes_nothing_of_those_it_shares_a_transaction_with(ledger):
    def broken(room: int | None) -> Reserve:
        raise ZeroDivisionError(room)

    await held(ledger, 5)  # while that is on its way nobody is served at once
    first, second, third = await asyncio.gather(
        ledger.reserve(start(), 100),
        ledger.reserve(start(), broken),
        ledger.reserve(start(), 30),
        return_exceptions=True,
    )
    assert isinstance(second, ZeroDivisionError)
    assert (first.amount_msat, third.amount_msat) == (100, 30)
    assert await ledger.spent(TOTAL) == Spent(reserved_msat=135)
    await ledger.settle(first, end(70))
    assert await ledger.spent(TOTAL) == Spent(settled_msat=70, reserved_msat=35, requests=1)
    assert await ledger.check() == []


async def test_a_closed_ledger_and_a_foreign_file_say_so(tmp_path):
    closed = await Ledger.open(tmp_path / "ledger.db")
    await closed.close()
    with pytest.raises(StorageUnavailable):
        await closed.reserve(start(), 1)
    foreign = tmp_path / "foreign.db"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE other (x)")
    connection.close()
    with pytest.raises(StorageCorrupt, match="another program"):
        await Ledger.open(foreign)
    (tmp_path / "text.db").write_text("not a database, and long enough to be none" * 9)
    with pytest.raises(StorageCorrupt):
        await Ledger.open(tmp_path / "text.db")
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageTooNew):
        await Ledger.open(tmp_path / "ledger.db")
    with pytest.raises(StorageUnavailable):
        await Ledger.open(tmp_path)
