"""`model: auto` under a floor: a cheaper model serves once answers behind the client's back show it."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from anyio import fail_after

from holdfast.frozen import replace
from holdfast.routing.config import Budgets
from holdfast.routing.quality.floor import is_sampled
from holdfast.routing.quality.judging import Case, judge_by_form
from holdfast.routing.selection.policies import Policy
from holdfast.testing.upstream import Act, Counts, Fault, Reply
from tests.proxy.serving import request
from tests.proxy.tiers import CHAT, EASY, EVERY, FEW, GOOD, says, tiers


@pytest.fixture(autouse=True)
async def in_time():
    with fail_after(60):
        yield


async def test_a_cheap_model_serves_once_it_is_shown_good_and_not_before(tmp_path: Path) -> None:
    async with tiers(tmp_path) as running:
        first = await running.ask()
        assert (first["model"], first.text) == ("huge", "Paris")
        assert first["quality"] is not None
        assert first["quality"].startswith("reference huge; tiny open n=0 of ")
        second = await running.ask()
        assert "tiny open n=1 of " in (second["quality"] or "")
        count = await running.until_served_by("tiny")
        served = await running.ask()
        assert f"tiny shown n={count + 2}" in (served["quality"] or "")
        assert running.counts.failed == 0


async def test_several_answers_to_one_request_are_not_compared(tmp_path: Path) -> None:
    async with tiers(tmp_path) as running:
        await running.ask(n=2)
        assert running.counts.due == 0
        await running.ask(n=1)
        assert running.counts.due == 1


async def test_a_model_that_gets_worse_loses_its_place(tmp_path: Path) -> None:
    async with tiers(tmp_path) as running:
        await running.until_served_by("tiny")
        running.tiny.default = says("Lyon, I think")
        await running.until_served_by("huge")
        for _ in range(FEW):
            await running.ask()
        seen = await running.ask()
        assert "tiny refuted" in (seen["quality"] or "")
        asked = len(running.tiny.exchanges)
        await running.ask()
        assert len(running.tiny.exchanges) == asked  # no money goes into what is settled


async def test_a_refuted_model_that_got_better_is_found_out_where_it_is_looked_at_again(
    tmp_path: Path,
) -> None:
    async with tiers(tmp_path, rules=replace(EVERY, recheck_share=1.0)) as running:
        running.tiny.default = says("Lyon")
        while "tiny refuted" not in ((await running.ask())["quality"] or ""):
            assert len(running.tiny.exchanges) < FEW
        running.tiny.default = says("Paris")
        await running.until_served_by("tiny", most=3 * FEW)


async def test_checks_that_do_not_end_are_left_and_the_user_is_told_who_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with tiers(tmp_path) as running:
        running.tiny.default = Act(fault=Fault.HANG)
        await running.send()
        shadow = await running.tiny.exchange(1)
        assert running.proxy.checker is not None
        running.proxy.checker.grace = 0.01
    assert "answers are still being compared (1): they get 0.009 seconds more" in caplog.text
    await shadow.left.wait()
    assert running.counts.judged == 0


async def test_a_bad_model_never_serves(tmp_path: Path) -> None:
    async with tiers(tmp_path) as running:
        running.tiny.default = says("Lyon")
        for _ in range(FEW):
            assert (await running.ask())["model"] == "huge"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_never_waits_for_a_check(tmp_path: Path, stream: bool) -> None:
    async with tiers(tmp_path) as running:
        running.tiny.default = Act(fault=Fault.HANG)
        seen = await running.send(stream=stream)
        assert (seen["model"], seen.text, seen.says_done) == ("huge", "Paris", True)
        shadow = await running.tiny.exchange(1)
        assert not shadow.ended.is_set()
        shadow.release()
        assert running.proxy.checker is not None
        await running.proxy.checker.quiet()
        assert running.counts.judged == 1


async def test_a_check_that_fails_harms_nobody_and_counts_for_nobody(tmp_path: Path) -> None:
    async with tiers(tmp_path) as running:
        running.tiny.default = Act(fault=Fault.SERVER_ERROR)
        for _ in range(3):
            assert (await running.ask()).status == 200
        assert (running.counts.failed, running.counts.judged) == (3, 0)
        assert "tiny open n=0" in ((await running.ask())["quality"] or "")


async def test_a_check_is_a_request_of_its_own_in_the_ledger(tmp_path: Path) -> None:
    async with tiers(tmp_path) as running:
        seen = await running.send(stream=True, owner="ann")
        assert running.proxy.checker is not None
        await running.proxy.checker.quiet()
        users, check = await running.proxy.settled(2)
        assert (users.id, users.owner) == (seen["request-id"], "ann")
        assert (users.request_class, users.model, users.charged_msat) == ("chat", "huge", 1500)
        assert (check.request_class, check.model, check.charged_msat) == ("check", "tiny", 15)
        assert check.message == f"checks {users.id}"
        assert check.key_id == check.owner == ""
        shadow = running.tiny.exchanges[0].json
        assert shadow["messages"] == [{"role": "user", "content": EASY}]
        assert shadow["stream"] is False


async def test_checks_stay_within_their_budget_and_requests_go_on(tmp_path: Path) -> None:
    rules = replace(EVERY, check_day_msat=300)
    async with tiers(tmp_path, rules=rules) as running:
        running.tiny.default = Act(reply=Reply(text="Lyon", counts=Counts(input=50, output=50)))
        for _ in range(5):
            assert (await running.ask()).status == 200
        rows = [row for row in await running.proxy.logged() if row.request_class == "check"]
        assert sum(row.debit_msat for row in rows) == 200
        assert (running.counts.judged, running.counts.no_money) == (2, 3)


async def test_checks_take_at_most_half_of_the_budget_of_everybody(tmp_path: Path) -> None:
    never = Policy(name="good", min_quality=1.0)
    async with tiers(tmp_path, never, budgets=Budgets(total_msat=24_000)) as running:
        for _ in range(9):
            seen = await running.ask(max_tokens=20)
            assert (seen.status, seen["cost-msat"]) == (200, "1500")
        assert (running.counts.judged, running.counts.no_money) == (7, 2)


async def test_a_check_goes_nowhere_that_its_request_may_not(tmp_path: Path) -> None:
    private = Policy(name="good", min_quality=0.8, privacy="named", providers=("cloud",))
    async with tiers(tmp_path, private) as running:
        for _ in range(3):
            assert (await running.ask())["model"] == "huge"
        assert running.tiny.exchanges == []
        assert running.counts.due == 0


async def test_proofs_of_one_policy_do_not_count_for_another(tmp_path: Path) -> None:
    other = Policy(name="other", min_quality=0.8)
    async with tiers(tmp_path, GOOD, other) as running:
        await running.until_served_by("tiny")
        seen = await running.ask(policy="other")
        assert (seen["model"], "n=0" in (seen["quality"] or "")) == ("huge", True)


async def test_what_was_shown_outlives_the_process(tmp_path: Path) -> None:
    async with tiers(tmp_path) as running:
        await running.until_served_by("tiny")
    async with tiers(tmp_path) as again:
        assert (await again.ask())["model"] == "tiny"
    with sqlite3.connect(tmp_path / "quality.db") as file:
        kept = "\n".join(file.iterdump())
    file.close()
    assert "capital" not in kept
    assert "Paris" not in kept


async def test_processes_of_a_project_share_what_is_shown(tmp_path: Path) -> None:
    async with tiers(tmp_path) as one, tiers(tmp_path) as other:
        await one.until_served_by("tiny")
        assert other.proxy.checker is not None
        await other.proxy.checker.kept.refresh()
        assert (await other.ask())["model"] == "tiny"


async def test_a_share_of_requests_is_checked(tmp_path: Path) -> None:
    async with tiers(tmp_path, rules=replace(EVERY, prove_share=0.3)) as running:
        ids = [(await running.ask())["request-id"] for _ in range(20)]
        due = sum(is_sampled(each or "", 0.3) for each in ids)
        assert len(running.tiny.exchanges) == running.counts.due == due


async def test_without_a_floor_nothing_is_checked(tmp_path: Path) -> None:
    async with tiers(tmp_path, Policy(name="good")) as running:
        seen = await running.ask()
        assert (seen["model"], seen["quality"]) == ("tiny", None)
        assert running.huge.exchanges == []


async def test_answers_that_a_judge_says_nothing_of_count_for_nobody(tmp_path: Path) -> None:
    async with tiers(tmp_path, judge=judge_by_form) as running:
        await running.ask()
        assert (running.counts.judged, running.counts.unjudged) == (0, 1)


async def test_answers_in_a_wrong_form_are_bad_whatever_they_say(tmp_path: Path) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}}}
    seen: list[Case] = []

    async def judge(case: Case):
        seen.append(case)
        return await judge_by_form(case)

    async with tiers(tmp_path, judge=judge) as running:
        running.huge.default, running.tiny.default = says("7"), says("seven")
        await running.ask(response_format=form)
        assert running.counts.judged == 1
        assert (await judge_by_form(seen[0])) is not None
        known = await _known(running)
        assert known["comparisons"][0]["reference_only"] == 1


async def test_a_user_corrects_what_the_judge_said(tmp_path: Path) -> None:
    async with tiers(tmp_path) as running:
        seen = await running.ask()
        told = await running.proxy.ask(
            "/v1/feedback", {"request_id": seen["request-id"], "good": False}
        )
        assert told.data == {
            "request_id": seen["request-id"],
            "model": "huge",
            "good": False,
            "corrected": True,
        }
        [pair] = (await _known(running))["comparisons"]
        assert (pair["both_good"], pair["candidate_only"]) == (0, 1)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"good": True}, 400),
        ({"request_id": "ab", "good": True}, 400),
        ({"request_id": "0" * 32}, 400),
        ({"request_id": "0" * 32, "good": "yes"}, 400),
        ({"request_id": "0" * 32, "good": True}, 404),
    ],
)
async def test_feedback_that_nobody_can_use_is_refused(
    tmp_path: Path, body: dict[str, object], status: int
) -> None:
    async with tiers(tmp_path) as running:
        assert (await running.proxy.ask("/v1/feedback", body)).status == status


async def test_many_requests_at_once_are_each_checked_once(tmp_path: Path) -> None:
    async with tiers(tmp_path) as running:
        await asyncio.gather(*[running.send(f"{EASY} {n}") for n in range(20)])
        assert running.proxy.checker is not None
        await running.proxy.checker.quiet()
        await asyncio.gather(*[running.proxy.settled(40)])
        assert running.counts.judged == 20
        [pair] = (await _known(running))["comparisons"]
        assert pair["both_good"] == 20


async def test_a_model_asked_by_name_is_not_checked(tmp_path: Path) -> None:
    async with tiers(tmp_path) as running:
        body = request(CHAT, stream=False, model="huge")
        assert (await running.proxy.ask(CHAT, body, **{"x-holdfast-policy": "good"})).status == 200
        assert running.counts.due == 0


async def _known(running):
    async with running.proxy.client.get(f"{running.proxy.address}/v1/quality") as answer:
        return await answer.json()
