"""What commands print fits the terminal it is printed on, and is whole everywhere else."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios
from contextlib import redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.cli.main import main
from holdfast.cli.output import Output, table
from holdfast.cli.tables import fit, print_sentence
from tests.journeys.cli import Project, read_terminal
from tests.journeys.test_route_command import ASK, KEY, NOWHERE, SETTINGS, upstream

HEADINGS = ("ID", "NAME", "TOOK", "COST")
cells = st.text("abc ", max_size=30)
rows = st.lists(st.tuples(cells, cells, cells, cells), max_size=5).map(
    lambda each: [HEADINGS, *each]
)


@given(rows, st.none() | st.integers(1, 140))
def test_a_table_gives_up_spare_columns_in_their_order_and_no_more_than_it_must(
    whole: list[tuple[str, ...]], room: int | None
) -> None:
    fitting, left_out = fit(whole, room, elastic=1, spare=("COST", "TOOK"))
    assert list(left_out) == ["COST", "TOOK"][: len(left_out)]
    assert fitting[0] == HEADINGS[: len(HEADINGS) - len(left_out)]
    if room is None or max(map(len, table(whole))) <= room:
        assert fitting == whole
        return
    for before, after in zip(whole, fitting, strict=True):
        assert after[0] == before[0]
        assert after[2:] == before[2 : len(after)]
        assert after[1] == before[1] or (
            after[1][-1] == "…" and before[1].startswith(after[1][:-1])
        )
    ids = max(len(row[0]) for row in whole)
    assert max(map(len, table(fitting))) <= max(room, ids + 2 + 6)


@pytest.fixture
def traced(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project with one failed run, entered."""
    path = "nowhere/of/any/use/to/anybody/who/reads/this"
    node = f"read: {{kind: tool, tool: read_files, arguments: {{folder: {path}}}}}"
    project.write("fail.yaml", f"name: a_workflow_with_a_long_name\nnodes:\n  {node}\n")
    monkeypatch.chdir(project.folder)
    assert main(["run", "fail.yaml", "-q"]) == 1
    return project


def shown(columns: int, *words: str, code: int = 0) -> str:
    """Return what a command shows on a terminal of so many columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with os.fdopen(follower, "w", encoding="utf-8") as terminal, redirect_stdout(terminal):
        assert main(list(words)) == code
    return read_terminal(leader)


@pytest.mark.parametrize("columns", [30, 60, 80])
def test_each_command_about_traces_fits_its_terminal(traced: Project, columns: int) -> None:
    assert traced.folder.exists()
    for words in (["list"], ["show", "last"], ["top"], ["errors"], ["compare", "last", "last"]):
        said = shown(columns, "trace", *words)
        assert said.strip()
        assert max(map(len, said.splitlines())) <= columns, said


@pytest.fixture
def kept(traced: Project) -> Project:
    """Return a project that has one of everything that is listed, with a long name."""
    words = ("a", "name", "of", "many", "words", "that", "goes", "on", "and", "on", "and", "on")
    for before in (["task", "create", "--tag", "red"], ["session", "start"], ["memory", "write"]):
        assert main([*before, *words]) == 0
    return traced


@pytest.mark.parametrize("columns", [34, 40, 80])
@pytest.mark.parametrize(
    ("words", "stays"),
    [
        (["list"], "failed"),
        (["task", "list"], "pending"),
        (["session", "list"], "open"),
        (["memory", "list"], "a name"),
        (["trace", "sql", "SELECT * FROM traces"], "id"),
        (["trace", "sql", "SELECT status, error FROM traces"], "there is no"),
        (["trace", "sql", "SELECT kind, name, attributes FROM spans"], "a_work"),
        (["trace", "sql", "SELECT name, name, status, 1 AS name FROM traces"], "a_work"),
    ],
)
def test_each_list_fits_its_terminal_and_keeps_what_matters(
    kept: Project, words: list[str], stays: str, columns: int
) -> None:
    assert kept.folder.exists()
    said = shown(columns, *words)
    assert stays in said
    assert max(map(len, said.splitlines())) <= columns, said


@pytest.fixture
def asked(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project whose runs asked a model, in vain too, entered."""
    project.write("ask.yaml", ASK)
    with upstream() as desk:
        long = SETTINGS.format(desk=desk.url, cloud=NOWHERE).replace(
            '"small"', '"a/small-model-with-a-name"'
        )
        project.write(
            "holdfast.toml", long + '[money]\ncurrency = "EUR"\nbitcoin = { 2020-01-01 = 80000 }\n'
        )
        assert project.run("run", "ask.yaml", **KEY).code == 0
    project.write("holdfast.toml", f"{long}[routing.budgets]\ntotal_sats = 0.01\n")
    assert project.run("run", "ask.yaml", **KEY).code == 5
    monkeypatch.chdir(project.folder)
    for name, text in KEY.items():
        monkeypatch.setenv(name, text)
    return project


@pytest.mark.parametrize("columns", [34, 40, 80])
def test_what_was_asked_of_models_fits_its_terminal(asked: Project, columns: int) -> None:
    assert asked.folder.exists()
    for words in ("check", "providers", "explain auto", "quality", "replay --list"):
        code = 2 if words == "check" else 0  # as nobody answers
        said = shown(columns, "route", *words.split(), code=code)
        assert max(map(len, said.splitlines())) <= columns, said
    for words in ("stats", "stats --by outcome", "requests"):
        said = shown(columns, "route", *words.split())
        assert max(map(len, said.splitlines())) <= columns, said
        assert "refused" in said or words == "stats"
        assert "0.0" in said or words == "requests", said
        assert "a/small" in said or "outcome" in words, said


def test_the_steps_of_a_run_give_up_columns_before_their_names(kept: Project) -> None:
    (run,) = kept.run("list", "--json").data
    for columns in range(24, 34):
        said = shown(columns, "show", run["id"])
        steps = said.partition("steps\r\n")[2].partition("\r\n\r\n")[0]
        assert "read" in steps
        assert max(map(len, steps.splitlines())) <= columns, steps


def test_what_is_no_terminal_gets_all_of_it(traced: Project) -> None:
    listed = traced.run("trace", "list")
    assert "a_workflow_with_a_long_name" in listed.out
    assert "COST" in listed.out
    assert "no room" not in listed.err


def test_a_sentence_is_not_broken_where_nobody_looks() -> None:
    stream = io.StringIO()
    print_sentence("word " * 60, Output(as_json=False, stream=stream), indent=4)
    assert stream.getvalue() == "word " * 60 + "\n"
