"""What is settled behind an answer, and requests that come alone, cost no turn of the loop."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from holdfast.errors import StorageError
from holdfast.routing.ledger.entries import Reservation, Spent
from holdfast.routing.ledger.ledger import Ledger
from tests.routing.ledger.kit import TOTAL, cap, end, held, start

pytestmark = pytest.mark.anyio


async def test_what_is_settled_soon_is_seen_by_whoever_looks(ledger):
    first, second = await held(ledger), await held(ledger)
    await ledger.settle_soon(first, end(300))
    assert await ledger.spent(TOTAL) == Spent(settled_msat=300, reserved_msat=1000, requests=1)
    await ledger.settle_soon(second, end(400))
    logged = await ledger.request(second.request_id)
    assert (logged.state, logged.charged_msat) == ("settled", 400)
    assert not await ledger.check()


async def test_what_is_settled_soon_is_booked_with_the_next_request(ledger):
    got = await held(ledger, 600, cap(1000))
    await ledger.settle_soon(got, end(100))
    assert isinstance(await ledger.reserve(start(), 900, [cap(1000)]), Reservation)


def at_once(reserving) -> Reservation:
    """Return what was reserved without a turn of the loop."""
    with pytest.raises(StopIteration) as done:
        reserving.send(None)
    return done.value.value


async def test_a_request_that_comes_alone_is_held_without_a_turn_of_the_loop(ledger):
    soon = await held(ledger, 600)
    await ledger.settle_soon(soon, end(100))
    assert at_once(ledger.reserve(start(), 900, [cap(1000)])).amount_msat == 900
    assert await ledger.spent(TOTAL) == Spent(settled_msat=100, reserved_msat=900, requests=1)


async def test_requests_that_come_while_another_is_on_its_way_share_a_transaction(ledger):
    first, before = await held(ledger), ledger._session._commits
    others = await asyncio.gather(*(held(ledger) for _ in range(16)))
    assert ledger._session._commits == before + 1
    await ledger.settle(first, end(1))
    await ledger.release(others.pop(), "not sent")
    for each in others:
        await ledger.settle_soon(each, end(1))
    assert at_once(ledger.reserve(start(), 1)).amount_msat == 1


async def test_what_is_settled_soon_is_booked_without_any_other_request(tmp_path):
    async with (
        await Ledger.open(tmp_path / "ledger.db") as ledger,
        await Ledger.open(tmp_path / "ledger.db") as other,
    ):
        await ledger.settle_soon(await held(ledger), end(300))
        async with asyncio.timeout(60):
            while (await other.spent(TOTAL)).settled_msat != 300:  # noqa: ASYNC110 - another's file
                await asyncio.sleep(0.001)


async def test_closing_books_what_was_to_be_settled_soon(tmp_path):
    async with await Ledger.open(tmp_path / "ledger.db") as ledger:
        await ledger.settle_soon(await held(ledger), end(300))
    async with await Ledger.open(tmp_path / "ledger.db") as ledger:
        assert await ledger.spent(TOTAL) == Spent(settled_msat=300, requests=1)


@pytest.mark.parametrize("when", ["next request", "closing"])
async def test_a_settlement_that_fails_behind_its_answer_is_told(tmp_path, when):
    ledger = await Ledger.open(tmp_path / "ledger.db")
    got = await held(ledger)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as spoiler:
        spoiler.execute("ALTER TABLE attempts RENAME TO lost")
    await ledger.settle_soon(got, end(300))
    if when == "closing":
        with pytest.raises(StorageError, match="attempts"):
            await ledger.close()
        return
    await ledger.spent(TOTAL)
    with pytest.raises(StorageError, match="attempts"):
        await ledger.reserve(start(), 1)
    await ledger.close()


async def test_a_ledger_that_waits_for_the_disk_settles_before_the_answer(tmp_path):
    async with (
        await Ledger.open(tmp_path / "ledger.db", ack="disk") as ledger,
        await Ledger.open(tmp_path / "ledger.db") as other,
    ):
        await ledger.settle_soon(await held(ledger), end(300))
        assert (await other.spent(TOTAL)).settled_msat == 300
