"""What endpoints were seen not to take counts for an hour, also for the project's other processes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after
from hypothesis import given
from hypothesis import strategies as st

from holdfast.app.proxying import open_proxy
from holdfast.app.services import build_router
from holdfast.routing.config import ProviderConfig
from holdfast.routing.dispatching.health import providers_of
from holdfast.routing.providers.habits import CHANGING, Habits
from holdfast.routing.providers.learned import Fitting, Learned, catching_up
from holdfast.routing.providers.remembering import Where, decode, encode, read, write
from holdfast.settings import load_settings
from holdfast.testing.clock import ManualClock
from holdfast.tracing.tracer import Tracer
from holdfast.web.http import Answer, Request

FORGOTTEN_MS = 3_600_000

NODE = ProviderConfig(name="node", base_url="http://127.0.0.1:9/v1")
BODY: dict[str, Any] = {"model": "m", "messages": [], "temperature": 0.2, "max_tokens": 9}
NO_TEMPERATURE = "temperature is not supported"


async def teach(learned: Learned, said: str, config: ProviderConfig = NODE, **body: Any) -> None:
    fitting = Fitting(learned, config, BODY | body)
    assert fitting.adapt(said)
    await fitting.learn()


async def test_a_process_begins_with_what_another_learned_within_the_hour(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "new" / "habits.json"
    await teach(Learned(clock, path), NO_TEMPERATURE)
    fitting = Fitting(Learned(clock, path), NODE, BODY)
    assert fitting.left_out == ("temperature",)
    assert fitting.body == {"model": "m", "messages": [], "max_tokens": 9}
    clock.advance(FORGOTTEN_MS / 1000)
    assert Fitting(Learned(clock, path), NODE, BODY).body == BODY


@pytest.mark.parametrize(
    "said", [NO_TEMPERATURE, "use max_completion_tokens", "stream_options?", "no response_format"]
)
async def test_whatever_was_learned_is_tried_again_after_an_hour(said: str) -> None:
    clock = ManualClock()
    learned = Learned(clock)
    await teach(learned, said)
    clock.advance(FORGOTTEN_MS / 1000 - 1)
    assert learned.habits(NODE, "m") != Habits()
    clock.advance(1)
    assert learned.habits(NODE, "m") == Habits()
    assert learned.of(NODE) == {}


async def test_what_was_learned_is_of_one_model_at_one_address(tmp_path: Path) -> None:
    learned = Learned(ManualClock(), tmp_path / "habits.json")
    await teach(learned, NO_TEMPERATURE)
    moved = replace(NODE, base_url="http://127.0.0.1:8/v1")
    assert learned.habits(NODE, "m").left_out
    assert [learned.habits(NODE, "n"), learned.habits(moved, "m")] == [Habits(), Habits()]
    assert (list(learned.of(NODE)), learned.of(moved)) == (["m"], {})


async def test_two_processes_add_to_one_file_and_learn_from_each_other(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "habits.json"
    one, other = Learned(clock, path), Learned(clock, path)
    await teach(one, NO_TEMPERATURE)
    await teach(other, NO_TEMPERATURE, model="n")
    assert sorted(other.of(NODE)) == sorted(Learned(clock, path).of(NODE)) == ["m", "n"]


async def test_a_long_life_catches_up_with_what_others_learn(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "habits.json"
    learned, other = Learned(clock, path), Learned(clock, path)
    await teach(learned, NO_TEMPERATURE)
    async with catching_up(learned):
        for model in ("n", "o"):
            await teach(other, NO_TEMPERATURE, model=model)
            with fail_after(5):
                await clock.until_sleeping()
                clock.advance(60)
                await clock.until_sleeping()
            assert model in learned.of(NODE)
    clock.advance(1)
    await teach(other, "top_p is not supported", top_p=1)
    await learned.catch_up()
    assert learned.habits(NODE, "m").left_out == {"temperature", "top_p"}


async def test_a_file_that_nobody_wrote_is_not_read_again(tmp_path: Path, caplog: Any) -> None:
    path = tmp_path / "habits.json"
    path.write_bytes(b"nonsense")
    learned = Learned(ManualClock(), path)
    for _ in range(2):
        await learned.catch_up()
    assert caplog.text.count("is damaged") == 1
    path.write_bytes(b"more nonsense")
    await learned.catch_up()
    assert caplog.text.count("is damaged") == 2


async def test_the_settings_count_more_than_what_was_learned_under_others(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "habits.json"
    await teach(Learned(clock, path), "no response_format")
    learned = Learned(clock, path)
    said = {each: replace(NODE, structured_output=each) for each in ("auto", "none", "json_schema")}
    told = {each: learned.habits(config, "m").schema for each, config in said.items()}
    assert told == {"auto": False, "none": False, "json_schema": True}


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"{}", b'{"version": 2, "habits": []}', b'{"version": 1}',
        b'{"version": 1, "habits": {"a": 1}}', b'{"version": 1, "habits": [{"model": "m"}]}',
        b'{"version": 1, "habits": [{"provider":"p","address":"","model":"m","until_ms":Infinity}]}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_told_and_written_anew(tmp_path: Path, text: bytes, caplog: Any) -> None:
    path, known = tmp_path / "habits.json", {Where("p", "", "m"): Habits(until_ms=5)}
    path.write_bytes(text)
    assert read(path, 0) == {}
    assert "is damaged, so endpoints are learned anew" in caplog.text
    assert write(path, known, 0) == read(path, 0) == known


def test_a_file_cannot_take_away_what_an_answer_needs_nor_count_for_longer() -> None:
    where = {"provider": "p", "address": "", "model": "m"}
    entry = where | {"left_out": ["messages", "top_p"], "until_ms": 1 << 60}
    (habits,) = decode(json.dumps({"version": 1, "habits": [entry]}).encode(), 7).values()
    assert habits == Habits(left_out=frozenset({"top_p"}), until_ms=7 + FORGOTTEN_MS)


@given(
    st.dictionaries(
        st.builds(Where, st.text(), st.text(), st.text()),
        st.builds(
            Habits, schema=st.booleans(), usage=st.booleans(), extensions=st.booleans(),
            completion_tokens=st.booleans(), until_ms=st.integers(1, FORGOTTEN_MS),
            left_out=st.frozensets(st.sampled_from(sorted(CHANGING))),
        ),
    )
)  # fmt: skip
def test_what_is_written_is_read(known: dict[Where, Habits]) -> None:
    assert decode(encode(known), 0) == known


async def test_a_file_that_cannot_be_written_is_told_and_harms_no_request(
    tmp_path: Path, caplog: Any
) -> None:
    (tmp_path / "taken").write_text("a file where a folder would have to be")
    learned = Learned(ManualClock(), tmp_path / "taken" / "habits.json")
    await teach(learned, NO_TEMPERATURE)
    assert learned.habits(NODE, "m").left_out
    assert "is not kept: cannot write" in caplog.text


def test_a_file_is_written_whole_and_keeps_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "habits.json"
    many = {Where("p", "", str(n)): Habits(usage=False, until_ms=n) for n in range(1, 600)}
    write(path, many, 0)
    assert {where.model for where in read(path, 0)} == {str(n) for n in range(100, 600)}
    assert [each.name for each in tmp_path.iterdir()] == ["habits.json"]


async def test_a_project_keeps_its_lessons_beside_the_store_and_shows_them(tmp_path: Path) -> None:
    settings = '[providers.node]\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["m"]\n'
    (tmp_path / "holdfast.toml").write_text(settings)
    clock = ManualClock()
    loaded = load_settings(tmp_path, {})
    await teach(Learned(clock, tmp_path / ".holdfast" / "habits.json"), NO_TEMPERATURE)
    router = build_router(loaded, Tracer(clock=clock), clock)
    node, offline = providers_of(router.dispatcher)
    assert node["learned"] == [
        {"model": "m", "without": ["temperature"], "tried_again_in_ms": FORGOTTEN_MS}
    ]
    assert offline["learned"] == []
    await router.close()


def test_the_newer_of_two_lessons_stays_and_one_that_is_over_does_not_return(
    tmp_path: Path,
) -> None:
    path, here, there = tmp_path / "habits.json", Where("p", "", "m"), Where("p", "", "n")
    newer, older = Habits(usage=False, until_ms=10), Habits(schema=False, until_ms=5)
    write(path, {here: newer}, 0)
    assert write(path, {here: older}, 0) == read(path, 0) == {here: newer}
    assert write(path, {there: older}, 5) == {here: newer}


def test_whoever_reads_while_the_file_is_written_reads_the_old_one(tmp_path: Path) -> None:
    path, known = tmp_path / "habits.json", {Where("p", "", "m"): Habits(usage=False, until_ms=5)}
    write(path, {}, 0)
    with path.open("rb") as reading:
        write(path, known, 0)
        assert decode(reading.read(), 0) == {}
    assert read(path, 0) == known


async def test_a_proxy_learns_within_a_minute_what_a_run_learned(tmp_path: Path) -> None:
    settings = '[providers.node]\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["m"]\n'
    (tmp_path / "holdfast.toml").write_text(settings)
    clock = ManualClock()
    shown = Request({"method": "GET", "path": "/providers", "headers": ()}, never)
    async with open_proxy(load_settings(tmp_path, {}), clock=clock) as (proxy, *_):
        await teach(Learned(clock, tmp_path / ".holdfast" / "habits.json"), NO_TEMPERATURE)
        sleeping = clock.sleeping
        for seconds, without in ((59, []), (1, ["temperature"])):
            with fail_after(5):
                clock.advance(seconds)
                await clock.until_sleeping(sleeping)
            answer = await proxy.answer(shown)
            assert isinstance(answer, Answer)
            learned = json.loads(answer.body)["providers"][0]["learned"]
            assert [name for each in learned for name in each["without"]] == without


async def never() -> Any:
    raise AssertionError
