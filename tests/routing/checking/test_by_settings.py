"""What `[routing.quality]` names is what compares answers: judges of a project, and none made by looking."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from holdfast.app.overseeing import overseeing
from holdfast.app.services import build_router
from holdfast.cli.main import main
from holdfast.clock import SystemClock
from holdfast.errors import WorkflowError
from holdfast.routing.checking.checker import Checker
from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.dispatching.explaining import explain
from holdfast.routing.router import Router
from holdfast.routing.seam import Message, ModelRequest
from holdfast.settings import load_settings
from holdfast.testing.upstream import Act, Reply, Upstream
from holdfast.tracing.tracer import Tracer

pytestmark = pytest.mark.anyio
SETTINGS = """
[providers.desk]
base_url = "{desk}"
tier = "local"
[providers.desk.models."tiny"]
input_sats_per_million = 1000
output_sats_per_million = 1000
[providers.cloud]
base_url = "{cloud}"
tier = "frontier"
[providers.cloud.models."huge"]
input_sats_per_million = 100000
output_sats_per_million = 100000
[routing.quality]
alpha = 0.2
prove_share = 1
check_share = 1
min_quality = 0.5
"""


@pytest.fixture(autouse=True)
async def in_time():
    with fail_after(60):
        yield


@dataclass
class Project:
    router: Router
    checker: Checker
    tiny: Upstream
    huge: Upstream

    async def ask(self, text: str) -> str:
        """Ask for `auto`; return who answered when all that follows is done."""
        message = Message(role="user", content=text)
        reply = await self.router.complete(
            ModelRequest(model="auto", messages=(message,), max_tokens=20)
        )
        await self.checker.quiet()
        return reply.model

    def counted(self) -> list[tuple[str, int, int, int, int]]:
        """Return for each comparison where it is counted, and its four counts."""
        return [
            (each.segment, it.both, it.candidate_only, it.reference_only, it.neither)
            for each, it in self.checker.kept.learned.counted.items()
        ]


@asynccontextmanager
async def project(folder: Path, quality: str) -> AsyncIterator[Project]:
    async with (
        Upstream(default=Act(reply=Reply(text="small words"))) as tiny,
        Upstream(default=Act(reply=Reply(text="great words"))) as huge,
    ):
        text = SETTINGS.format(desk=tiny.url, cloud=huge.url) + quality
        (folder / "holdfast.toml").write_text(text)
        settings, clock = load_settings(folder, {}), SystemClock()
        router = build_router(settings, Tracer(clock=clock), clock)
        try:
            async with overseeing(settings, router, clock) as checker:
                assert checker is not None
                yield Project(router, checker, tiny, huge)
        finally:
            await router.close()


EASY = "What is the capital of France, please?"
ASYNC = "import asyncio\nasync def compare(*_):\n    await asyncio.sleep(0)\n    return True\n"


@pytest.mark.parametrize(
    ("body", "counts"),
    [
        ("def compare(question, candidate, reference): return candidate == 'small words'", (1, 0, 0, 0)),
        ("def compare(question, candidate, reference): return reference == 'small words'", (0, 0, 1, 0)),
        ("def compare(question, *_): return ('France' in question, False)", (0, 1, 0, 0)),
        ("def compare(*_): return (False, False)", (0, 0, 0, 1)),
        (ASYNC, (1, 0, 0, 0)),
        ("class Judge:\n    @staticmethod\n    def good(*_): return False\ncompare = Judge.good", (0, 0, 1, 0)),
    ],
)  # fmt: skip
async def test_a_function_of_the_project_judges(tmp_path, body, counts):
    name = f"judges_{abs(hash(body))}"
    (tmp_path / f"{name}.py").write_text(body)
    async with project(tmp_path, f'judge = "{name}:compare"\n') as running:
        assert await running.ask(EASY) == "huge"
        assert [each[1:] for each in running.counted()] == [counts]
        assert running.checker.counts.judged == 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("def compare(*_): return None", ""),
        ("def compare(*_): return 'yes'", "returned str"),
        ("def compare(*_): return 1", "returned int"),
        ("def compare(*_): return (True,)", "returned tuple"),
        ("def compare(*_): return 1 / 0", "ZeroDivisionError"),
        ("def compare(one): return True", "TypeError"),
    ],
)
async def test_a_function_that_cannot_say_it_counts_for_nobody_and_harms_nobody(
    tmp_path, body, told
):
    name = f"odd_{abs(hash(body))}"
    (tmp_path / f"{name}.py").write_text(body)
    async with project(tmp_path, f'judge = "{name}:compare"\n') as running:
        assert await running.ask(EASY) == "huge"
        assert running.counted() == []
        assert told in running.checker.counts.problem
        assert running.checker.counts.failed == (told != "")
        assert running.checker.counts.unjudged == (told == "")


async def test_a_function_that_is_not_there_stops_the_start(tmp_path):
    with pytest.raises(WorkflowError, match="no_such_module"):
        async with project(tmp_path, 'judge = "no_such_module:compare"\n'):
            pass


@pytest.mark.parametrize(("judge", "counts"), [("agreement", [(0, 0, 1, 0)]), ("validity", [])])
async def test_the_judges_that_are_built_in_go_by_their_names(tmp_path, judge, counts):
    async with project(tmp_path, f'judge = "{judge}"\n') as running:
        await running.ask(EASY)
        assert [each[1:] for each in running.counted()] == counts


async def test_without_a_word_the_reference_is_the_judge(tmp_path):
    async with project(tmp_path, "") as running:
        await running.ask(EASY)
        judged: Any = running.huge.exchanges[1].json
        assert json.loads(judged["messages"][1]["content"])["request"] == EASY
        assert running.checker.counts.failed == 1  # "great words" is no verdict


async def test_the_learned_chooser_takes_over_when_it_knows_enough(tmp_path):
    (tmp_path / "by_word.py").write_text(
        "def compare(question, candidate, reference): return 'capital' in question\n"
    )
    more = 'judge = "by_word:compare"\nmin_evidence = 4\n'
    async with project(tmp_path, more) as running:
        served = [
            await running.ask(f"What is the capital of country number {n}?") for n in range(12)
        ]
        assert served[0] == "huge"
        assert served[-1] == "tiny"
        segments = {each[0] for each in running.counted()}
        assert segments == {"complexity/local", "learned"}
        # What the score would give to the cheap model as well, the learned chooser does not.
        hard = [f"Prove that the theorem of Fermat number {n} holds, please." for n in range(12)]
        for text in hard:
            await running.ask(text)
        assert await running.ask("Prove that the theorem of Fermat holds, please.") == "huge"
        assert await running.ask("What is the capital of country number 99?") == "tiny"
        text = "What is the capital of country number 100?"
        told: Any = explain(running.router.dispatcher, Ask(model="auto", size=40, text=text))
        assert (told["choice"]["strategy"], told["choice"]["model"]) == ("learned", "tiny")
        [tiny] = [each for each in told["choice"]["considered"] if each["model"] == "tiny"]
        assert tiny["floor"]["standing"] == "shown"
        assert tiny["quality"] > 0.8


BY_SUBJECT = """
SAYS = ("capital", "theorem")
def embed(texts):
    assert isinstance(texts, list)
    return [[1.0 if word in text else 0.1 for word in SAYS] for text in texts]
"""


def embedder(folder: Path, name: str, body: str) -> str:
    (folder / f"{name}.py").write_text(body)
    return f'judge = "agreement"\nmin_evidence = 1\nembedder = "{name}:embed"\n'


async def test_an_embedder_of_the_project_says_what_is_alike(tmp_path):
    async with project(tmp_path, embedder(tmp_path, "by_subject", BY_SUBJECT)) as running:
        running.tiny.default = running.huge.default  # they agree, so both are good
        await running.ask("What is the capital of France?")
        running.tiny.default = Act(reply=Reply(text="no idea"))
        await running.ask("State the theorem of Fermat.")
        predict = running.checker.kept.predict
        capital, theorem = await predict("capital!"), await predict("theorem!")
        assert capital["tiny"].quality > theorem["tiny"].quality
        assert capital["huge"].quality == theorem["huge"].quality == 1.0


async def test_what_another_embedder_placed_is_dropped_and_comparisons_stay(tmp_path):
    first = embedder(tmp_path, "by_subject", BY_SUBJECT)
    async with project(tmp_path, first) as running:
        await running.ask(EASY)
    async with project(tmp_path, first) as running:
        assert set(await running.checker.kept.predict(EASY)) == {"tiny", "huge"}
    async with project(tmp_path, 'judge = "agreement"\n') as running:
        assert await running.checker.kept.predict(EASY) == {}
        assert [each[1:] for each in running.counted()] == [(0, 0, 1, 0)]
        await running.ask(EASY)
        assert set(await running.checker.kept.predict(EASY)) == {"tiny", "huge"}


@pytest.mark.parametrize(
    "body",
    [
        "def embed(texts): return 1 / 0",
        "def embed(texts): return None",
        "def embed(texts): return []",
        "def embed(texts): return [[]]",
        "def embed(texts): return [['a', 'b']]",
        "def embed(texts): return [[float('nan'), 1.0]]",
        "def embed(texts): return [[1.0], [2.0]]",
        "def embed(texts): return 'x'",
        "def embed(): return [[1.0]]",
    ],
)
async def test_an_embedder_that_fails_harms_nobody(tmp_path, body, caplog):
    name = f"bad_{abs(hash(body))}"
    async with project(tmp_path, embedder(tmp_path, name, body)) as running:
        assert await running.ask(EASY) == "huge"
        assert await running.ask(EASY) == "huge"
        assert running.checker.counts.judged == 0
        assert f"the embedder {name}:embed" in running.checker.counts.problem
    assert "is not kept" in caplog.text


async def test_vectors_of_another_length_are_passed_over(tmp_path):
    body = "def embed(texts): return [[1.0] * (2 if 'capital' in t else 3) for t in texts]"
    async with project(tmp_path, embedder(tmp_path, "by_length", body)) as running:
        await running.ask(EASY)
        await running.ask("State the theorem of Fermat.")
        assert set(await running.checker.kept.predict(EASY)) == {"tiny", "huge"}
        assert await running.checker.kept.predict("theorem") == {}


async def test_looking_makes_no_file(tmp_path, monkeypatch, capsys):
    async with project(tmp_path, 'judge = "agreement"\n'):
        pass
    for each in (tmp_path / ".holdfast").glob("quality.db*"):
        each.unlink()
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    for words in (["explain", "auto", "--prompt", EASY], ["providers"], ["check"]):
        assert await _main("route", *words) == 0, capsys.readouterr()
    assert "(n=0 of " in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("option", ["--max-tokens", "--input-tokens"])
@pytest.mark.parametrize("number", ["-3", "0", "99999999999999"])
async def test_no_request_has_fewer_than_one_token(tmp_path, monkeypatch, capsys, option, number):
    monkeypatch.chdir(tmp_path)
    assert await _main("route", "explain", "offline/extract", f"{option}={number}") == 2
    assert f"{option} must be from 1 to 1000000000, not {number}" in capsys.readouterr().err


async def _main(*words: str) -> int:
    from asyncio import to_thread

    return await to_thread(main, list(words))
