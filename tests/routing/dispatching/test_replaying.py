"""`holdfast route replay`: what was asked would have cost so much, and who would have served it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast.clock import SystemClock
from holdfast.routing.ledger.entries import OK, Attempt, RequestEnd, Reservation
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.seam import Usage
from tests.routing.dispatching.kit import say
from tests.routing.ledger.kit import start

SETTINGS = """
[providers.cheap]
base_url = "http://localhost:1/v1"
[providers.cheap.models.m]
input_sats_per_million = 1000
output_sats_per_million = 1000
[providers.dear]
base_url = "http://localhost:1/v1"
[providers.dear.models.m]
input_sats_per_million = 2000
output_sats_per_million = 2000
[routing.policies.only-dear]
privacy = "named"
providers = ["dear"]
"""
COUNTED = Usage(input_tokens=1_000, output_tokens=1_000)
CHEAP, DEAR = 2_000, 4_000
"""What a request costs at either, in msat."""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    """A project, and a function that logs requests of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holdfast.toml").write_text(SETTINGS)
    return Log(tmp_path / ".holdfast" / "ledger.db")


@dataclass
class Log:
    """The ledger of a project in which requests were answered by the cheap provider."""

    path: Path

    def __call__(
        self, *, times: int = 1, charged: int | None = CHEAP, usage: Usage = COUNTED, **told: str
    ) -> None:
        asyncio.run(self._log(times, charged, usage, {"model": "m", **told}))

    async def _log(
        self, times: int, charged: int | None, usage: Usage, told: dict[str, str]
    ) -> None:
        attempt = Attempt(
            provider="cheap", model="m", outcome=OK, charged_msat=charged, quoted_msat=charged,
            usage=usage, latency_ms=5,
        )  # fmt: skip
        ended = RequestEnd(
            outcome=OK, attempts=(attempt,), provider="cheap", model="m", latency_ms=5
        )
        self.path.parent.mkdir(exist_ok=True)
        async with await Ledger.open(self.path, ack="memory") as ledger:
            for _ in range(times):
                held = await ledger.reserve(start(at_ms=SystemClock().now_ms(), **told), 5_000)
                assert isinstance(held, Reservation)
                await ledger.settle(held, ended)


def replayed(capsys, *words: str) -> dict:
    code, told = say(capsys, "route", "replay", *words)
    assert code == 0, told
    return told


def test_all_that_was_logged_is_reckoned_however_much_it_is(log, capsys):
    log(times=120)
    told = replayed(capsys)
    assert (told["count"], told["compared"], told["moved"]) == (120, 120, 0)
    assert (told["was_msat"], told["now_msat"]) == (120 * CHEAP, 120 * CHEAP)


def test_a_policy_that_is_named_counts_and_one_that_was_taken_out_since_does_not(log, capsys):
    log(policy="of-old")
    assert replayed(capsys)["now_msat"] == CHEAP
    told = replayed(capsys, "--policy", "only-dear")
    assert (told["moved"], told["was_msat"], told["now_msat"]) == (1, CHEAP, DEAR)
    log(policy="only-dear")
    assert replayed(capsys)["now_msat"] == CHEAP + DEAR
    code, error = say(capsys, "route", "replay", "--policy", "nope")
    assert (code, "there is no routing policy 'nope'" in str(error)) == (2, True)


def test_another_strategy_leads_elsewhere(log, capsys):
    log(times=4)
    assert replayed(capsys)["moved"] == 0
    told = replayed(capsys, "--strategy", "round_robin")
    assert (told["moved"], told["now_msat"]) == (2, 2 * CHEAP + 2 * DEAR)


def test_the_choice_of_a_model_is_not_made_anew(log, capsys):
    log(model="auto")
    told = replayed(capsys)
    assert (told["requests"][0]["asked_model"], told["requests"][0]["now"]) == ("auto", "cheap/m")
    assert told["compared"] == 1


def test_what_nobody_counted_or_knows_the_cost_of_is_in_no_sum(log, capsys):
    log(usage=Usage(input_tokens=10))
    log(charged=None)
    log()
    told = replayed(capsys)
    assert (told["count"], told["compared"], told["refused"]) == (3, 1, 1)
    assert (told["was_msat"], told["now_msat"]) == (CHEAP, CHEAP)
    assert "nobody counted its tokens" in [each["refused"] for each in told["requests"]]
