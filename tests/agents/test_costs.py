"""What a model step is said to have cost, also when it fails."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.engine.history import History
from holdfast.engine.records import summarise
from holdfast.errors import ProviderRefused, ProviderUnavailable
from holdfast.routing.seam import Price
from holdfast.tasks.state import TaskState
from holdfast.testing.providers import ScriptedProvider
from tests.agents.bench import Bench

PRICE = Price(input_msat_per_million=1_000_000, output_msat_per_million=1_000_000)
COUNT = """
name: count
state: {n: int}
nodes:
  ask: {kind: model, prompt: "how many?", returns: int, output: n, retry: {attempts: TRIES, wait: 0}}
"""


async def counted(
    bench: Bench, *script: str | Exception, tries: int = 1, seconds: float | None = None, **fields
) -> History:
    model = ScriptedProvider(script, price=PRICE, **fields)
    bench = Bench(bench.folder, bench.store, model)
    text = COUNT.replace("TRIES", str(tries))
    if seconds is not None:
        text = text.replace("output: n,", f"output: n, timeout: {seconds},")
    return await bench.run(text)


def cost(history: History) -> int | None:
    summary = summarise(history)
    return summary.cost_msat if summary.cost_known else None


async def test_replies_that_do_not_fit_are_paid_for(bench: Bench) -> None:
    history = await counted(bench, "many", "a few", "some")
    assert history.state is TaskState.FAILED
    assert cost(history) == 3 * 15
    assert history.steps["ask", 1].meta["model"] == "scripted-model"
    assert history.steps["ask", 1].meta["input_tokens"] == 30


async def test_a_reply_before_the_provider_went_down_is_paid_for(bench: Bench) -> None:
    history = await counted(bench, "many", ProviderUnavailable("down"))
    assert history.state is TaskState.FAILED
    assert cost(history) == 15


async def test_what_earlier_tries_cost_is_added(bench: Bench) -> None:
    history = await counted(bench, "many", ProviderUnavailable("down"), "3", tries=2)
    assert history.state is TaskState.COMPLETED, history.error
    assert cost(history) == 2 * 15


@pytest.mark.parametrize("error", [ProviderUnavailable("down"), ProviderRefused("no such model")])
async def test_a_request_that_was_not_served_costs_nothing(bench: Bench, error: Exception) -> None:
    history = await counted(bench, error)
    assert history.state is TaskState.FAILED
    assert cost(history) == 0


@pytest.mark.promise("unknown-cost-is-unknown")
async def test_a_call_that_was_timed_out_cost_nobody_knows_what(bench: Bench) -> None:
    history = await counted(bench, seconds=0.01, hold=asyncio.Event())
    assert history.error is not None
    assert history.error["type"] == "StepTimeout"
    assert cost(history) is None
