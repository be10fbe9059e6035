"""What the proxy tells of what was asked: sums and pages, in sats and in a currency."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.ids import new_run_id
from holdfast.proxy.reports import Reports
from holdfast.routing.ledger.entries import OK, Attempt, RequestEnd, RequestStart
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.seam import Usage
from holdfast.testing.clock import ManualClock
from holdfast.tracing.billing.money import Exchange
from holdfast.web.http import Refused

AT = 1_795_694_400_000  # 2026-11-26T12:00:00Z
HOUR = 3_600_000
PROVIDERS = {"desk": SimpleNamespace(models=lambda: ("small", "unasked"))}
ROWS = [
    # hours ago, model, provider, tier, asked tier, owner, policy, key, run, msat, ms, stream, ok
    (0.5, "small", "desk", "local", "local", "ann", "", "k1", "", 1_000, 30, False, True),
    (2, "small", "cloud", "frontier", "local", "ann", "p", "k1", "r", 9_000, 10, True, True),
    (30, "large", "cloud", "frontier", "frontier", "bob", "p", "k2", "r", 4_000, 20, True, False),
    (24 * 8, "large", "gone", "standard", "", "bob", "", "k2", "", 2_000, 40, False, True),
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def reports(tmp_path_factory, anyio_backend):
    path = tmp_path_factory.mktemp("reports") / "ledger.db"
    exchange = Exchange("USD", {date(2020, 1, 1): Decimal(100_000)})
    async with await Ledger.open(path, exchange=exchange) as ledger:
        for (
            ago,
            model,
            provider,
            tier,
            asked,
            owner,
            policy,
            key,
            run,
            msat,
            ms,
            stream,
            ok,
        ) in ROWS:
            start = RequestStart(
                id=str(new_run_id()), at_ms=AT - round(ago * HOUR), model=model, owner=owner,
                run_id=run, key_id=key, policy=policy, stream=stream, tier=asked,
            )  # fmt: skip
            held = await ledger.reserve(start, msat)
            outcome = OK if ok else "timeout"
            usage = Usage(input_tokens=ms, output_tokens=1)
            attempt = Attempt(
                provider=provider, model=model, outcome=outcome, charged_msat=msat, usage=usage
            )
            end = RequestEnd(
                outcome=outcome, attempts=(attempt,), provider=provider, model=model, tier=tier,
                latency_ms=ms,
            )  # fmt: skip
            await ledger.settle(held, end)
        refused = RequestStart(id=str(new_run_id()), at_ms=AT - HOUR, model="smal", owner="ann")
        ledger.refuse(refused, "nobody serves it")
        await ledger.sweep()
        yield Reports(ledger, SimpleNamespace(clock=ManualClock(AT), providers=PROVIDERS))


async def costs(reports, **query: str) -> list[int]:
    page = await reports.requests({"range": "last_30d", "success": "true", **query})
    return [each["debit_msat"] for each in page["requests"]]


async def groups(reports, **query: str) -> dict:
    told = await reports.stats({"range": "last_30d", **query})
    return {each["group"]: each["requests"] for each in told["groups"]}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [1_000, 9_000, 2_000]),
        ({"success": "false"}, [0, 4_000]),
        ({"model": "large"}, [2_000]),
        ({"provider": "cloud"}, [9_000]),
        ({"owner": "ann"}, [1_000, 9_000]),
        ({"policy": "p"}, [9_000]),
        ({"key": "k2"}, [2_000]),
        ({"run": "r"}, [9_000]),
        ({"tier": "frontier"}, [9_000]),
        ({"asked_tier": "local"}, [1_000, 9_000]),
        ({"streaming": "true"}, [9_000]),
        ({"streaming": "false"}, [1_000, 2_000]),
        ({"outcome": "refused", "success": "false"}, [0]),
        ({"state": "released", "success": "false"}, [0]),
        ({"range": "last_1h"}, [1_000]),
        ({"range": "last_24h"}, [1_000, 9_000]),
        ({"range": "last_7d"}, [1_000, 9_000]),
        ({"since": "2026-11-26T09:00:00Z", "until": "2026-11-26T11:00:00Z"}, [9_000]),
        ({"since": "2026-11-26T12:00:00+02:00"}, [1_000, 9_000]),
        ({"range": "last_1h", "until": "2026-11-26T11:00:00Z"}, [9_000]),
        ({"sort": "cost_sats", "order": "asc"}, [1_000, 2_000, 9_000]),
        ({"sort": "latency_ms"}, [2_000, 1_000, 9_000]),
        ({"sort": "tokens", "order": "asc"}, [9_000, 1_000, 2_000]),
        ({"per_page": "2"}, [1_000, 9_000]),
        ({"per_page": "2", "page": "2"}, [2_000]),
        ({"page": "9"}, []),
    ],
)
async def test_requests_are_filtered_sorted_and_paged(reports, query, found):
    assert await costs(reports, **query) == found


@pytest.mark.parametrize(
    ("group_by", "found"),
    [
        ("model", {"small": 2, "large": 2, "smal": 0}),
        ("tier", {"local": 1, "frontier": 2, "standard": 1, "": 0}),
        ("asked-tier", {"local": 2, "frontier": 1, "": 1}),
        ("provider", {"desk": 1, "cloud": 2, "gone": 1, "": 0}),
        ("policy", {"": 2, "p": 2}),
        ("owner", {"ann": 2, "bob": 2}),
        ("key", {"k1": 2, "k2": 2, "": 0}),
        ("outcome", {"ok": 3, "timeout": 1, "refused": 0}),
        ("day", {"2026-11-18": 1, "2026-11-25": 1, "2026-11-26": 2}),
    ],
)
async def test_sums_are_by_any_of_the_groups(reports, group_by, found):
    assert await groups(reports, group_by=group_by) == found


async def test_sats_and_the_currency_stand_side_by_side(reports):
    page = await reports.requests({"owner": "ann", "success": "true"})
    first = page["requests"][0]
    assert (first["cost_sats"], first["cost_in_currency"], page["currency"]) == (1, 0.001, "USD")
    told = await reports.stats({"range": "last_30d"})
    (whole,) = told["groups"]
    assert (whole["cost_sats"], whole["cost_in_currency"], told["currency"]) == (16, 0.016, "USD")
    assert (whole["requests"], whole["refused"], whole["ok"], whole["failed"]) == (4, 1, 3, 1)


@pytest.mark.parametrize("tell", ["stats", "requests"])
@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ({"range": "last_2h"}, 400, "range must be one of"),
        ({"since": "yesterday"}, 400, "since must be a time"),
        ({"since": "2026-11-26T08:00:00"}, 400, "must say its time zone"),
        ({"since": "2026-11-26T08:00:00Z", "until": "2026-11-26T08:00:00Z"}, 400, "after since"),
        ({"success": "yes"}, 400, "true or false"),
        ({"modle": "small"}, 400, "unknown parameter 'modle'"),
        ({"state": "gone"}, 400, "no state 'gone'"),
    ],
)
async def test_what_is_no_question_is_refused_with_what_would_be_one(
    reports, tell, query, status, told
):
    with pytest.raises(Refused) as refused:
        await getattr(reports, tell)(query)
    assert refused.value.status == status
    assert told in refused.value.message


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"sort": "id"}, "sort must be one of timestamp"),
        ({"order": "up"}, "order cannot be 'up'"),
        ({"page": "-1"}, "page must be a whole number"),
        ({"page": "0"}, "pages count from 1"),
        ({"per_page": "101"}, "1 to 100"),
        ({"group_by": "model"}, "unknown parameter 'group_by'"),
    ],
)
async def test_pages_that_there_cannot_be_are_refused(reports, query, told):
    with pytest.raises(Refused, match=told):
        await reports.requests(query)


async def test_sums_of_what_nobody_knows_are_not_found(reports):
    for query, told in (({"model": "lrge"}, "model 'lrge'"), ({"provider": "no"}, "provider 'no'")):
        with pytest.raises(Refused, match=told) as refused:
            await reports.stats(query)
        assert refused.value.status == 404
    assert await groups(reports, model="unasked") == {}
    assert await groups(reports, provider="gone") == {"": 1}
    with pytest.raises(Refused, match="group_by cannot be 'secret'"):
        await reports.stats({"group_by": "secret"})


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
async def test_pages_join_to_the_whole_in_the_order_that_was_asked_for(reports, data):
    sort = data.draw(st.sampled_from(["timestamp", "cost_sats", "latency_ms", "tokens"]))
    order = data.draw(st.sampled_from(["asc", "desc"]))
    size = data.draw(st.integers(1, 6))
    query = {"range": "last_30d", "sort": sort, "order": order, "per_page": str(size)}
    found: list[dict] = []
    for number in range(1, 8):
        page = await reports.requests({**query, "page": str(number)})
        assert page["total"] == 5
        found += page["requests"]
    assert len({each["id"] for each in found}) == len(found) == 5
    member = {"timestamp": "at_ms", "cost_sats": "debit_msat", "latency_ms": "latency_ms"}.get(sort)
    if member is not None:
        values = [each[member] or 0 for each in found]
        assert all((a <= b) if order == "asc" else (a >= b) for a, b in pairwise(values))
