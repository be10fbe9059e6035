"""A provider that keeps charging more than it quoted gets no requests until it is trusted again."""

from __future__ import annotations

import asyncio
import json

import anyio
import pytest

from holdfast.app.proxying import open_proxy
from holdfast.cli.main import main
from holdfast.errors import NoProvider
from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.dispatching.dispatcher import Dispatcher
from holdfast.routing.dispatching.explaining import explain
from holdfast.routing.dispatching.health import health_of, providers_of
from holdfast.routing.dispatching.request import Dispatch
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.ledger.sweeping import sweeping
from holdfast.routing.seam import Usage
from holdfast.settings import load_settings
from holdfast.testing.clock import ManualClock
from holdfast.web.http import Request
from tests.routing.dispatching.kit import leading, price, say

LIMIT = 5

ASK = Ask(model="m", size=100, max_tokens=10)


async def never() -> dict:
    raise AssertionError("nobody reads the body")


SETTINGS = """
[providers.p0]
base_url = "http://localhost:1/v1"
models = ["m"]
[providers.p1]
base_url = "http://localhost:1/v1"
models = ["m"]
"""


async def cheat(dispatcher: Dispatcher) -> list[str]:
    """Ask so often that the cheapest provider is distrusted; return who served each request."""
    served = []

    async def attempt(call) -> None:
        dear = 50_000 if call.candidate.endpoint.provider == "p0" else None
        call.succeed(Usage(input_tokens=100, output_tokens=10), charged_msat=dear)

    for _ in range(LIMIT + 1):
        async with Dispatch(dispatcher, ASK) as dispatch:
            await dispatch.run(attempt)
        served.append(dispatch.served.provider)
    return served


async def test_who_charges_above_its_quotes_gets_no_more_requests(tmp_path):
    async with leading(tmp_path, None, price(1), price(2)) as dispatcher:
        assert await cheat(dispatcher) == ["p0"] * LIMIT + ["p1"]
        told = explain(dispatcher, ASK)["candidates"]
        assert [each["status"] for each in told] == ["chosen", "rejected"]
        assert "is distrusted: it charged more than it quoted" in told[1]["reason"]
        assert Dispatch(dispatcher, Ask(model="auto", size=1)).plan.candidates[0].order == 2
        cheater, other = providers_of(dispatcher)
        assert cheater["state"] == "distrusted"
        assert cheater["distrusted"].startswith("it charged more")
        assert (other["state"], other["distrusted"]) == ("closed", None)
        assert health_of(dispatcher)["status"] == "degraded"
        with pytest.raises(NoProvider, match="p0/m is distrusted") as refused:
            Dispatch(dispatcher, Ask(model="p0/m", size=1))
        assert "holdfast route trust" in refused.value.hint


async def test_all_who_are_distrusted_make_the_proxy_unhealthy(tmp_path):
    async with leading(tmp_path, None, price(1)) as dispatcher:
        with pytest.raises(NoProvider):
            await cheat(dispatcher)
        assert health_of(dispatcher)["status"] == "unhealthy"


async def test_another_process_learns_of_it_when_it_sweeps(tmp_path):
    async with leading(tmp_path, None, price(1), price(2)) as dispatcher:
        async with await Ledger.open(tmp_path / "ledger.db") as other:
            await cheat(dispatcher)
            assert not other.distrusted
            await other.sweep()
            assert set(other.distrusted) == {"p0"}
            await other.trust_again("p0")
        await dispatcher.ledger.sweep()
        assert not dispatcher.distrusted


async def test_the_proxy_looks_every_minute_whom_others_came_to_distrust(tmp_path):
    (tmp_path / "holdfast.toml").write_text(SETTINGS)
    clock, shown = (
        ManualClock(),
        Request({"method": "GET", "path": "/providers", "headers": ()}, never),
    )
    async with open_proxy(load_settings(tmp_path), clock=clock) as (routes, *_):
        async with leading(tmp_path / ".holdfast", None, price(1), price(2)) as dispatcher:
            await cheat(dispatcher)
        sleeping = clock.sleeping
        for seconds, state in ((59, "closed"), (1, "distrusted")):
            with anyio.fail_after(60):
                clock.advance(seconds)
                await clock.until_sleeping(sleeping)
            told = json.loads((await routes.answer(shown)).body)
            assert told["providers"][0]["state"] == state


async def test_a_ledger_that_fails_is_swept_again_the_next_time(tmp_path, caplog):
    clock = ManualClock()
    ledger = await Ledger.open(tmp_path / "ledger.db")
    await ledger.close()
    async with sweeping(ledger, clock):
        for times in (1, 2):
            with anyio.fail_after(60):
                await clock.until_sleeping()
                clock.advance(60)
                await clock.until_sleeping()
            assert caplog.text.count("the ledger was not swept") == times


def test_the_command_line_shows_who_is_distrusted_and_trusts_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holdfast.toml").write_text(SETTINGS)
    (tmp_path / ".holdfast").mkdir()

    async def spoil() -> None:
        async with leading(tmp_path / ".holdfast", None, price(1), price(2)) as dispatcher:
            await cheat(dispatcher)

    asyncio.run(spoil())
    _, told = say(capsys, "route", "providers")
    assert [each["state"] for each in told["providers"][:2]] == ["distrusted", "closed"]
    _, told = say(capsys, "route", "explain", "m")
    assert [each["status"] for each in told["candidates"]] == ["chosen", "rejected"]

    assert main(["route", "providers"]) == 0
    assert "gets no requests: it charged more than it quoted" in capsys.readouterr().out
    assert main(["route", "trust", "p0"]) == 0
    assert "p0 gets requests again" in capsys.readouterr().out
    assert say(capsys, "route", "trust", "p0")[1] == {"provider": "p0", "was_distrusted": None}
    _, told = say(capsys, "route", "providers")
    assert told["providers"][0]["state"] == "closed"
    code, told = say(capsys, "route", "trust", "p9")
    assert code == 2
    assert "there is no provider 'p9'" in str(told)


def test_nobody_is_trusted_again_where_nothing_was_asked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holdfast.toml").write_text(SETTINGS)
    code, told = say(capsys, "route", "trust", "p0")
    assert code == 2
    assert "no model call was logged here yet" in str(told)
    assert not (tmp_path / ".holdfast").exists()
