"""Who is not let in, who served and what was learned stand in the ledger, of the version before too."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from holdfast.routing.ledger.entries import Spent
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.ledger.reports import Filters
from tests.routing.ledger.kit import TOTAL, end, held, start

ENOUGH = 8

pytestmark = pytest.mark.anyio
FIRST_VERSION = """
ALTER TABLE requests DROP COLUMN served_tier;
DROP TABLE trust;
CREATE TABLE conducts (
    provider TEXT PRIMARY KEY, charges INTEGER NOT NULL, overcharges INTEGER NOT NULL,
    quoted_msat INTEGER NOT NULL, charged_msat INTEGER NOT NULL, recent TEXT NOT NULL,
    distrust TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO conducts VALUES ('dear', 5, 5, 50000, 100000, '11111', 'it charged too much');
PRAGMA user_version = 1;
"""


async def test_who_was_not_let_in_is_logged_at_no_cost_with_the_reason(ledger, caplog):
    request = start(model="gtp", policy="cheap", tier="local")
    ledger.refuse(request, "nobody serves the model 'gtp'")
    ledger.refuse(request, "said twice")
    await ledger.sweep()  # what is written comes in order
    assert not caplog.text
    logged = await ledger.request(request.id)
    assert (logged.outcome, logged.state, logged.charged_msat) == ("refused", "released", 0)
    assert (logged.message, logged.asked_model) == ("nobody serves the model 'gtp'", "gtp")
    assert await ledger.spent(TOTAL) == Spent()
    assert await ledger.check() == []
    (group,) = await ledger.stats(group_by="model")
    assert (group.group, group.requests, group.refused, group.debit_msat) == ("gtp", 0, 1, 0)
    refused = await ledger.requests(filters=Filters(outcome="refused", success=False))
    assert [each.id for each in refused.requests] == [request.id]


async def test_who_was_not_let_in_is_kept_before_anybody_is_told(ledger, tmp_path):
    request = start(model="gtp")
    ledger.refuse(request, "nobody serves the model 'gtp'")
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as other:  # what a kill would leave
        kept = other.execute("SELECT outcome FROM requests").fetchall()
    assert kept == [("refused",)]


async def test_a_refusal_that_cannot_be_written_is_a_warning(ledger, tmp_path, caplog):
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as spoiler:
        spoiler.execute("ALTER TABLE requests RENAME COLUMN message TO lost")
    ledger.refuse(start(), "no")
    await ledger.sweep()
    assert "a refused request was not logged: " in caplog.text


async def test_a_ledger_that_is_closed_takes_no_refusals_and_does_not_mind(tmp_path):
    ledger = await Ledger.open(tmp_path / "ledger.db")
    await ledger.close()
    ledger.refuse(start(), "no")


async def test_sums_are_by_the_tier_that_served_or_the_one_that_was_asked_for(ledger):
    for asked, served in (("local", "local"), ("local", "frontier"), ("", "frontier")):
        got = await ledger.reserve(start(tier=asked), 100)
        await ledger.settle(got, replace(end(10), tier=served))
    served = await ledger.stats(group_by="tier")
    assert {each.group: each.requests for each in served} == {"frontier": 2, "local": 1}
    asked = await ledger.stats(group_by="asked_tier")
    assert {each.group: each.requests for each in asked} == {"local": 2, "": 1}
    page = await ledger.requests(filters=Filters(tier="frontier", asked_tier="local"))
    assert page.total == 1


async def test_a_ledger_of_the_version_before_is_led_on_with_all_that_it_holds(tmp_path):
    path = tmp_path / "ledger.db"
    async with await Ledger.open(path) as ledger:
        got = await held(ledger)
        await ledger.settle(got, end(300))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST_VERSION)
    async with await Ledger.open(path) as ledger:
        assert ledger.distrusted == {"dear": "it charged too much"}
        assert await ledger.spent(TOTAL) == Spent(settled_msat=300, requests=1)
        assert (await ledger.request(got.request_id)).tier == ""
        await ledger.settle(await held(ledger), replace(end(1), tier="local"))
        assert (await ledger.requests(filters=Filters(tier="local"))).total == 1
        assert await ledger.check() == []


async def test_who_leaves_while_its_request_is_settled_has_taught_its_length_all_the_same(ledger):
    for _ in range(ENOUGH):
        settling = asyncio.ensure_future(ledger.settle(await held(ledger), end(300)))
        await asyncio.sleep(0)
        settling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await settling
    assert ledger.lengths.sample("", "gpt", "").source == "request"
    assert (await ledger.spent(TOTAL)).settled_msat == 300 * ENOUGH


@pytest.mark.parametrize("told", [end(1, outcome="truncated"), end(1, 2)])
async def test_only_answers_that_came_whole_at_once_teach_how_long_they_are(ledger, told):
    for learned in (told, end(1)):
        for _ in range(ENOUGH):
            await ledger.settle(await held(ledger), learned)
        is_known = ledger.lengths.sample("", "gpt", "").source != "default"
        assert is_known is (learned is not told)
