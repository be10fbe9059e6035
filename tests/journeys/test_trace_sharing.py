"""`holdfast trace`: traces that go elsewhere, come from elsewhere, cost money, and are compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.journeys.cli import Project
from tests.journeys.test_trace_command import DIGEST, FAIL, SECRET, trace
from tests.web.making import served

SETTINGS = """
[prices]
small = { currency = "USD", input = 2, output = 8 }
[money]
currency = "USD"
bitcoin = { 2020-01-01 = 100000 }
"""
LONG = " ".join(f"Kelp number {number} grips the rock." for number in range(300))


@pytest.fixture
def ran(project: Project) -> Project:
    """Return a project in which a workflow got a long text with a secret."""
    project.write("digest.yaml", DIGEST)
    project.write("text.txt", f"My key is {SECRET}. {LONG}")
    assert project.run("run", "digest.yaml", "-i", "text=@text.txt", "-q").code == 0
    return project


def elsewhere(folder: Path) -> Project:
    folder.mkdir()
    return Project(folder)


def calls_of(*models: str) -> str:
    """Return a file of OTLP with two calls of models, of a million tokens in and half a million out."""
    usage = {"input_tokens": 1_000_000, "output_tokens": 500_000}
    spans = [
        {
            "traceId": "0af7651916cd43dd8448eb211c80319c",
            "spanId": f"b7ad6b716920333{number}",
            "name": f"chat {model}",
            "startTimeUnixNano": "1790000000000000000",
            "endTimeUnixNano": "1790000001000000000",
            "attributes": [
                {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
                {"key": "gen_ai.request.model", "value": {"stringValue": model}},
                *(
                    {"key": f"gen_ai.usage.{name}", "value": {"intValue": str(count)}}
                    for name, count in usage.items()
                ),
            ],
        }
        for number, model in enumerate(models)
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})


@pytest.mark.promise("secrets-never-traced", "payloads-are-whole")
def test_viewers_and_tables_get_payloads_whole_unless_previews_are_asked_for(ran: Project) -> None:
    from pyarrow import parquet

    assert json.loads(ran.run("trace", "export", "speedscope", "last").out)
    for options, is_whole in (((), True), (("--previews",), False)):
        chrome = ran.run("trace", "export", "chrome", "last", *options).out
        names = {each["name"] for each in json.loads(chrome)["traceEvents"]}
        words = ("trace", "export", "parquet", "--out", "t.parquet", "--force", *options)
        assert "3 spans" in ran.run(*words).err
        table = parquet.read_table(ran.folder / "t.parquet").to_pylist()
        assert {each["name"] for each in table} < names
        for text in (chrome, "".join(each["attributes"] for each in table)):
            assert (LONG in text, SECRET in text) == (is_whole, False)


@pytest.mark.promise("secrets-never-traced", "payloads-are-whole")
def test_another_project_has_the_same_trace_with_its_payloads_whole(
    ran: Project, tmp_path: Path
) -> None:
    assert ran.run("trace", "export", "otlp", "--out", "t.jsonl").code == 0
    assert ran.run("trace", "export", "otlp", "--out", "t.jsonl").code == 2
    assert SECRET.encode() not in (ran.folder / "t.jsonl").read_bytes()
    there = elsewhere(tmp_path / "other")
    assert there.run("trace", "import", str(ran.folder / "t.jsonl")).code == 0
    assert trace(there, "list") == trace(ran, "list")
    words = ("show", "last", "--span", "offline/extract")
    here_span, there_span = trace(ran, *words), trace(there, *words)
    assert there_span["attributes"]["input"] == here_span["attributes"]["input"]
    assert LONG in json.dumps(there_span["attributes"]["input"])


def test_a_trace_is_sent_once_to_a_server_and_there_whole(ran: Project, tmp_path: Path) -> None:
    there = elsewhere(tmp_path / "other")
    with served(there.folder) as server:
        words = ("trace", "export", "otlp", "--to", f"{server.address}/v1/traces")
        assert "sent 3 spans" in ran.run(*words).out
        assert "sent 0 spans" in ran.run(*words).out
    assert trace(there, "list") == trace(ran, "list")
    assert LONG in there.run("trace", "show", "last", "--span", "offline/extract").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("export", "parquet"), "--out FILE"),
        (("export", "chrome", "--out", ".", "--force"), "is a folder"),
        (("export", "chrome", "--out", "nowhere/t.json"), "cannot be written"),
        (("export", "chrome", "last", "--to", "http://x"), "--to sends OTLP only"),
        (("export", "otlp", "last", "--to", "http://x", "--previews"), "leave --previews away"),
        (("export", "otlp", "last", "--to", "nowhere"), "is no address"),
        (("export", "otlp", "last", "--to", "http://x:99999/v1"), "is no address"),
        (("export", "otlp", "last", "--to", "http://x", "--header", "A"), "is no header"),
        (("import", "nowhere.jsonl"), "cannot be read"),
        (("import", "text.txt"), "text.txt: "),
        (("import", "half.jsonl"), "half.jsonl, line 2: "),
        (("compare", "release=v1", "release=v1"), "no trace is 'release=v1'"),
        (("compare", "last", "colour=red"), "says nothing to compare"),
    ],
)
def test_what_cannot_be_shared_is_told_with_what_to_do(
    ran: Project, words: tuple[str, ...], said: str
) -> None:
    ran.write("half.jsonl", '{"resourceSpans": []}\nnonsense\n')
    done = ran.run("trace", *words)
    assert done.code == 2
    assert said in done.err
    assert not list(ran.folder.glob(".t.json*"))


def test_an_id_that_may_mean_several_traces_is_refused(project: Project) -> None:
    same, other = (calls_of("small").replace("0af765", f"0af7{each}5") for each in ("a", "b"))
    project.write("calls.jsonl", f"{same}\n{other}\n")
    assert project.run("trace", "import", "calls.jsonl").code == 0
    refused = project.run("trace", "show", "0af7")
    assert refused.code == 2
    assert "may mean several traces: 0af7" in refused.err


def test_calls_are_priced_in_sats_and_a_currency_and_unknown_costs_are_no_zero(
    project: Project,
) -> None:
    project.write("holdfast.toml", SETTINGS)
    project.write("calls.json", calls_of("small", "large"))
    assert project.run("trace", "import", "calls.json").code == 0
    costs = {each["key"]: each for each in trace(project, "cost")["costs"]}
    assert (costs["small"]["cost_msat"], costs["small"]["cost_micros"]) == (6_000_000, 6_000_000)
    assert (costs["large"]["unknown"], costs["large"]["calls"]) == (1, 1)
    told = project.run("trace", "cost")
    assert "6000 sat / 6.0000 USD" in told.out
    (large,) = (line for line in told.out.splitlines() if line.startswith("large"))
    assert "unknown" in large
    assert "sat" not in large
    assert "give prices in [prices]" in told.err
    assert "and more" in project.run("trace", "list").out


def test_costs_of_kept_traces_follow_prices_that_change(project: Project) -> None:
    project.write("calls.json", calls_of("small", "large"))
    assert project.run("trace", "import", "calls.json").code == 0
    (unpriced,) = trace(project, "list")["traces"]
    assert not unpriced["cost_known"]
    project.write("holdfast.toml", SETTINGS)
    assert trace(project, "list")["traces"] == [unpriced]
    told = project.run("trace", "reprice").out
    assert "1 trace, 2 calls" in told
    assert "before  unknown\n" in told
    assert "now     6000 sat / 6.0000 USD, unknown of 1 call" in told
    again = trace(project, "reprice")
    assert again["before"] == again["now"]
    assert again["now"] == {
        "unknown": 1, "cost_msat": 6_000_000, "cost_micros": {"USD": 6_000_000},
    }  # fmt: skip
    assert trace(project, "reprice", "--model", "medium")["traces"] == 0
    assert len(trace(project, "show", "last")["spans"]) == 2


def test_a_release_with_too_few_runs_is_not_said_to_have_passed(ran: Project) -> None:
    words = ("trace", "compare", "last", "last", "--fail-on", "p95>20%")
    told = ran.run(*words)
    assert told.code == 0
    assert "passed" not in told.out + told.err
    assert "no gate failed, but 1 of 1 gate had too little data to tell" in told.err
    assert ran.run(*words, "--strict").code == 1


def test_two_releases_are_compared_and_a_gate_fails_the_pipeline(ran: Project) -> None:
    for release in ("v1", "v2"):
        ran.write("holdfast.toml", f'[tracing]\nrelease = "{release}"\n')
        for _ in range(2):
            ran.run("run", "digest.yaml", "-i", "text=Kelp.", "-q")
    ran.write("fail.yaml", FAIL)
    ran.run("run", "fail.yaml", "-q")
    passed = ran.run("trace", "compare", "release=v1", "release=v1", "--fail-on", "errors>0")
    assert passed.code == 0
    failed = ran.run("trace", "compare", "release=v1", "release=v2", "--fail-on", "errors>0")
    assert failed.code == 1
    assert "gate failed: errors" in failed.out
    assert "2 runs before, 3 runs now" in failed.out
    same = ran.run("trace", "compare", "last", "last")
    assert "both did the same" in same.out
