"""A cascade: a cheap model answers first, its answer is checked, the next model is asked if it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from holdfast.frozen import replace
from holdfast.routing.config import Budgets
from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.dispatching.explaining import explain
from holdfast.routing.quality.checks import function_check
from holdfast.routing.quality.forms import check_schema
from holdfast.routing.quality.rules import QualityRules
from holdfast.routing.selection.policies import Policy
from holdfast.testing.upstream import Act, Fault
from tests.proxy.tiers import EASY, EVERY, FEW, says, tiers

CASCADE = Policy(name="good", cascade=("tiny", "huge"))
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
FORM: dict[str, Any] = {
    "response_format": {"type": "json_schema", "json_schema": {"name": "c", "schema": SCHEMA}}
}
FITS, MISFIT = '{"city": "Paris"}', '{"town": "Paris"}'
PLAIN = QualityRules(chooser="complexity")


@pytest.fixture(autouse=True)
async def in_time():
    with fail_after(60):
        yield


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cheap_answer_that_passes_is_all_that_is_paid(tmp_path: Path, stream: bool) -> None:
    async with tiers(tmp_path, CASCADE, rules=PLAIN) as running:
        running.tiny.default = says(FITS)
        seen = await running.ask(stream=stream, **FORM)
        assert (seen["model"], seen.text, seen.says_done) == ("tiny", FITS, True)
        assert seen["cascade"] == "tiny passed: the answer fits its schema"
        assert running.huge.exchanges == []
        [row] = await running.proxy.settled(1)
        assert (row.charged_msat, len(row.attempts)) == (15, 1)


@pytest.mark.parametrize("stream", [False, True])
async def test_both_calls_are_paid_where_the_cheap_answer_fails(
    tmp_path: Path, stream: bool
) -> None:
    async with tiers(tmp_path, CASCADE, rules=PLAIN) as running:
        running.tiny.default, running.huge.default = says(MISFIT), says(FITS)
        seen = await running.ask(stream=stream, **FORM)
        assert (seen["model"], seen.text, seen.says_done) == ("huge", FITS, True)
        assert (seen["cascade"] or "").startswith("tiny failed: the answer does not fit its schema")
        assert "town" not in (seen["cascade"] or "")
        assert (seen["cost-msat"], seen["retries"]) == ("1515", None)
        [row] = await running.proxy.settled(1)
        assert (row.charged_msat, row.provider, row.outcome) == (1515, "cloud", "ok")
        assert [each.model for each in row.attempts] == ["tiny", "huge"]


async def test_a_cheap_model_that_is_down_is_passed_over(tmp_path: Path) -> None:
    async with tiers(tmp_path, CASCADE, rules=PLAIN) as running:
        running.tiny.default, running.huge.default = Act(fault=Fault.SERVER_ERROR), says(FITS)
        seen = await running.ask(**FORM)
        assert (seen["model"], seen["cost-msat"]) == ("huge", "1500")
        assert (seen["cascade"] or "").startswith("tiny failed: provider 'desk' cannot serve now")


async def test_an_answer_that_cannot_be_checked_is_no_cascade(tmp_path: Path) -> None:
    async with tiers(tmp_path, CASCADE, rules=PLAIN) as running:
        seen = await running.ask()
        assert seen["cascade"] is None
        tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
        assert (await running.ask(tools=tools, **FORM))["cascade"] is None


async def test_a_function_of_the_project_checks_answers(tmp_path: Path) -> None:
    async with tiers(tmp_path, CASCADE, rules=PLAIN) as running:

        def names_france(question: str, answer: str) -> str | bool:
            assert question == EASY
            return True if "Paris" in answer else "it names another city"

        checks = {"good": function_check(names_france, "checks:names_france")}
        running.proxy.router.dispatcher.checks = checks
        running.tiny.default = says("Lyon")
        seen = await running.ask()
        assert seen["cascade"] == "tiny failed: checks:names_france: it names another city"
        assert seen["model"] == "huge"

        def breaks(question: str, answer: str) -> bool:
            raise ValueError("no such city")

        running.proxy.router.dispatcher.checks = {"good": function_check(breaks, "checks:breaks")}
        assert (await running.ask())["model"] == "huge"


async def test_a_budget_that_pays_for_one_call_only_says_so(tmp_path: Path) -> None:
    budgets = Budgets(total_msat=900)
    async with tiers(tmp_path, CASCADE, rules=PLAIN, budgets=budgets) as running:
        running.tiny.default = says(MISFIT)
        seen = await running.ask(**FORM)
        assert (seen.status, seen.says_error) == (402, True)
        [row] = await running.proxy.settled(1)
        assert row.charged_msat == 15


async def test_a_cascade_under_a_floor_serves_once_the_whole_of_it_is_shown(tmp_path: Path) -> None:
    policy = Policy(name="good", min_quality=0.8, cascade=True)
    async with tiers(tmp_path, policy, rules=replace(EVERY, chooser="auto")) as running:
        running.tiny.default, running.huge.default = says(MISFIT), says(FITS)
        first = await running.ask(**FORM)
        assert (first["model"], first["cascade"]) == ("huge", None)
        running.tiny.default = says(FITS)
        for _ in range(FEW):
            seen = await running.ask(**FORM)
            if seen["cascade"]:
                break
        assert seen["cascade"] == "tiny passed: the answer fits its schema"
        assert "tiny shown" in (seen["quality"] or "")


async def test_explain_says_who_is_asked_in_turn(tmp_path: Path) -> None:
    async with tiers(tmp_path, CASCADE, rules=PLAIN) as running:
        ask = Ask(model="auto", size=40, text=EASY, policy="good", check=check_schema(SCHEMA))
        choice = explain(running.proxy.router.dispatcher, ask)["choice"]
        assert isinstance(choice, dict)
        assert (choice["model"], choice["then"]) == ("tiny", ["huge"])
        reasons = {each["model"]: each["rejected"] for each in choice["considered"]}
        assert reasons["huge"] == "asked only if the answer of 'tiny' fails the check"
