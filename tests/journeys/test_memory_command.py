"""Remember things as people and agents do: with real commands, in one folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.cli import COMMAND, Project


def remember(project: Project, *words: str) -> str:
    """Write and return the id."""
    done = project.run("memory", "write", *words, "--json")
    assert done.code == 0, done.out
    return str(done.data["entry"]["id"])


def entries(project: Project, *words: str) -> list[Any]:
    done = project.run("memory", *words, "--json")
    assert done.code == 0, done.out + done.err
    return list(done.data["entries"])


def memory_files(project: Project) -> list[Path]:
    return sorted((project.folder / ".holdfast" / "memory").glob("*.md"))


def test_what_is_written_is_read_found_superseded_and_forgotten(project: Project) -> None:
    written = project.run(
        "memory", "write", "We use Helix", "--key", "editor", "--kind", "preference", "--by", "ann"
    )
    assert written.code == 0
    assert written.out.startswith("remembered ")
    read = project.run("memory", "read", "editor")
    assert read.out.endswith("\n\nWe use Helix\n")
    assert "provenance: by ann" in read.out
    assert "We use [Helix]" in project.run("memory", "search", "helix").out
    other = project.run("memory", "write", "We use vim", "--key", "editor")
    assert other.code == 0
    assert "it contradicts" in other.err
    listed = project.run("memory", "list")
    assert listed.out.count("!") == 2
    assert "says something else" in listed.err
    ambiguous = project.run("memory", "forget", "editor")
    assert ambiguous.code == 2
    assert "2 entries have the key 'editor'" in ambiguous.err
    vim = next(e["id"] for e in entries(project, "list") if e["text"] == "We use vim")
    assert project.run("memory", "forget", vim[:8], "--why", "a joke").code == 0
    superseded = project.run("memory", "supersede", "editor", "We use Zed", "--by", "bob")
    assert superseded.code == 0
    assert "in place of" in superseded.out
    assert [e["text"] for e in entries(project, "list")] == ["We use Zed"]
    assert {e["state"] for e in entries(project, "list", "--all")} == {
        "current",
        "superseded",
        "forgotten",
    }
    history = project.run("memory", "history", "editor")
    assert [line.split()[3] for line in history.out.splitlines()] == [
        "written",
        "superseded",
        "written",
    ]
    tombstone = project.run("memory", "read", vim)
    assert "state: forgotten" in tombstone.out
    assert "why: a joke" in tombstone.out


def test_what_was_believed_then_can_be_asked(project: Project) -> None:
    first = remember(project, "port 80", "--key", "port")
    then = entries(project, "read", first)[0]["recorded_at"]
    project.run("memory", "supersede", "port", "port 443")
    assert [e["text"] for e in entries(project, "as-of", then)] == ["port 80"]
    assert entries(project, "as-of", "2020-01-01") == []
    assert "nothing was believed then" in project.run("memory", "as-of", "2020-01-01").out
    remember(project, "closed", "--key", "shop", "--valid-from", "2100-01-01")
    assert entries(project, "list", "--state", "upcoming")[0]["text"] == "closed"
    (known,) = entries(project, "as-of", then, "--valid-at", "2101-01-01")
    assert known["text"] == "port 80"
    future = project.run("memory", "as-of", "2999-01-01")
    assert future.code == 2
    assert "in the future" in future.err


@pytest.mark.promise("hand-edit-kept")
def test_a_hand_edit_is_taken_in_by_the_next_command_and_a_broken_file_is_told(
    project: Project,
) -> None:
    remember(project, "We use Helix", "--key", "editor")
    (path,) = memory_files(project)
    path.write_text(path.read_text().replace("Helix", "Kakoune"))
    found = project.run("memory", "search", "kakoune")
    assert found.code == 0
    assert "We use [Kakoune]" in found.out
    assert "applied: " in found.err
    (project.folder / ".holdfast" / "memory" / "tabs.md").write_text(
        '---\nkey: "tabs"\nkind: "preference"\n---\n\nNo tabs.\n'
    )
    assert "No tabs." in project.run("memory", "list").out
    assert len(memory_files(project)) == 2
    path.write_text(path.read_text().replace('kind: "fact"', 'kind: "opinion"'))
    refused = project.run("memory", "list")
    assert refused.code == 2
    assert "must be one of fact, decision" in refused.err
    assert "Kakoune" in refused.out
    assert project.run("memory", "list").code == 0
    repaired = project.run("memory", "repair", "--json")
    (kept,) = repaired.data["kept"]
    assert 'kind: "opinion"' in Path(kept).read_text()
    old = 1_600_000_000
    path.write_text("nothing that can be read")
    os.utime(path, (old, old))
    broken = project.run("memory", "list", "--json")
    assert broken.code == 2
    (edit,) = broken.data["edits"]
    assert edit["outcome"] == "quarantined"
    assert edit["line"] == 1
    assert Path(edit["kept"]).read_text() == "nothing that can be read"
    assert "Kakoune" in path.read_text()


@pytest.mark.promise("memory-never-silent")
def test_a_budget_names_everything_that_it_leaves_out(project: Project) -> None:
    for number in range(6):
        remember(project, f"note {number} " + "kelp " * 30, "--title", f"Note {number}")
    data = project.run("memory", "prime", "--budget", "700", "--json").data
    assert len(data["text"]) <= 700
    assert data["characters"] == len(data["text"])
    named = [*data["included"], *(each["id"] for each in data["left_out"])]
    assert sorted(named) == sorted(e["id"] for e in entries(project, "list"))
    assert 0 < len(data["included"]) < 6
    done = project.run("memory", "prime", "--budget", "700", "--query", "note 3")
    assert "## Note 3" in done.out
    assert done.err.count("left out: ") == len(data["left_out"])
    assert f"left out: {len(data['left_out'])} of 6 entries" in done.out


def test_a_secret_is_refused_unless_it_is_allowed(project: Project) -> None:
    text = "the password: tr0ub4dor&3"
    refused = project.run("memory", "write", text)
    assert refused.code == 2
    assert "tr0ub4dor" not in refused.err
    assert "--allow-secret" in refused.err
    assert not (project.folder / ".holdfast" / "memory").exists()
    redacted = project.run("memory", "write", text, "--redact-secrets")
    assert redacted.code == 0
    assert "left out of it" in redacted.err
    assert "[redacted]" in project.run("memory", "list").out
    assert project.run("memory", "write", text, "--allow-secret").code == 0


def test_a_decision_says_why_and_where_it_comes_from(project: Project) -> None:
    project.write("notes.md", "meeting")
    remember(
        project, "Postgres", "--kind", "decision", "--reason", "we know it", "--alternative",
        "MySQL", "--alternative", "SQLite", "--source", "notes.md", "--confidence", "0.9",
        "--in", "agent:planner", "--session", "s1", "--run", "r1", "--ttl", "30d",
    )  # fmt: skip
    (entry,) = entries(project, "list", "--in", "agent:planner", "--kind", "decision")
    assert entry["status"] == "accepted"
    assert entry["alternatives"] == ["MySQL", "SQLite"]
    assert len(entry["provenance"].pop("source_hash")) == 64
    assert entry["provenance"] == {
        "source": "notes.md", "confidence": 0.9, "session": "s1", "run": "r1",
    }  # fmt: skip
    assert entry["expires_at"] > entry["recorded_at"]
    assert entries(project, "list", "--in", "project") == []


def test_text_comes_from_standard_input_and_values_as_json(project: Project) -> None:
    done = project.run("memory", "write", "-", "--key", "long", stdin="line one\nline two\n")
    assert done.code == 0
    assert entries(project, "read", "long")[0]["text"] == "line one\nline two"
    remember(project, '{"port": 80}', "--key", "server", "--json-value")
    assert entries(project, "read", "server")[0]["text"] == {"port": 80}


@pytest.mark.parametrize("store", ["sqlite:m.db", "files:other"])
def test_what_is_exported_is_the_same_in_another_store(project: Project, store: str) -> None:
    remember(project, "one", "--key", "k")
    project.run("memory", "supersede", "k", "two")
    remember(project, "line\u2028separator")
    exported = project.run("memory", "export")
    assert project.run("memory", "export", "--out", "out.jsonl").code == 0
    assert (project.folder / "out.jsonl").read_text() == exported.out
    assert project.run("memory", "export", "--out", "out.jsonl").code == 2
    there = ("--store", store)
    done = project.run("memory", "import", "out.jsonl", *there)
    assert done.out == "3 new, 0 brought up to date, 0 there already, 0 refused\n"
    assert project.run("memory", "export", *there).out == exported.out
    again = project.run("memory", "import", "out.jsonl", "--json", *there).data
    assert (again["added"], again["same"]) == (0, 3)
    project.run("memory", "forget", "k", *there)
    refused = project.run("memory", "import", "out.jsonl", *there)
    assert refused.code == 0
    assert "0 new" in refused.out


def test_everything_derived_may_be_deleted(project: Project) -> None:
    remember(project, "the harbour", "--key", "k")
    assert entries(project, "search", "harbour")
    for name in ("memory", "search", "index.db"):
        path = project.folder / ".holdfast" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    assert len(entries(project, "search", "harbour")) == 1
    assert len(memory_files(project)) == 1
    repaired = project.run("memory", "repair")
    assert repaired.code == 0
    assert repaired.out == "1 entries, all right\n"


def test_many_commands_at_once_lose_nothing(project: Project) -> None:
    running = [project.start("memory", "write", f"note {n}", "--key", "k") for n in range(6)]
    assert [each.wait(timeout=60) for each in running] == [0] * 6
    for each in running:
        each.communicate()
    listed = entries(project, "list", "--key", "k")
    assert {each["text"] for each in listed} == {f"note {n}" for n in range(6)}
    assert all(len(each["contradicted_by"]) == 5 for each in listed)
    assert len(entries(project, "search", "note", "--limit", "20")) == 6
    assert len(memory_files(project)) == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["memory"], "required: VERB"),
        (["memory", "learn"], "invalid choice: 'learn'"),
        (["memory", "write"], "required: TEXT"),
        (["memory", "write", "x", "--in", "team:a"], "no namespace"),
        (["memory", "write", "x", "--kind", "opinion"], "invalid choice: 'opinion'"),
        (["memory", "write", "x", "--ttl", "soon"], "no length of time"),
        (["memory", "write", "x", "--ttl", "1d", "--expires-at", "2999-01-01"], "say the same"),
        (["memory", "write", "x", "--valid-from", "tomorrow"], "is no time"),
        (["memory", "write", "{", "--json-value"], "no JSON"),
        (["memory", "write", "x", "--confidence", "2"], "from 0 to 1"),
        (["memory", "read", "nothing"], "no entry of the memory"),
        (["memory", "supersede", "nothing", "x"], "no entry of the memory"),
        (["memory", "list", "--limit", "0"], "at least 1"),
        (["memory", "list", "--since", "whenever"], "3d for a span"),
        (["memory", "prime", "--budget", "5"], "holds nothing"),
        (["memory", "import", "nowhere"], "cannot be read"),
    ],
)
def test_a_mistake_is_told_with_exit_code_two(
    project: Project, words: list[str], said: str
) -> None:
    done = project.run(*words)
    assert done.code == 2, done.err
    assert said in done.err
    as_json = project.run(*words, "--json")
    assert as_json.code == 2
    assert said in as_json.data["error"]["message"] + as_json.data["error"]["hint"]


def test_looking_makes_no_store(project: Project) -> None:
    assert entries(project, "list") == []
    assert "nothing was found" in project.run("memory", "search", "x").out
    assert "nothing is remembered yet" in project.run("memory", "prime").out
    assert list(project.folder.iterdir()) == []


def test_it_works_from_a_folder_below_the_project(project: Project) -> None:
    project.write("holdfast.toml", "")
    remember(project, "above")
    below = project.folder / "a" / "b"
    below.mkdir(parents=True)
    done = subprocess.run(
        [*COMMAND, "memory", "list", "--json"], cwd=below, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    assert [each["text"] for each in json.loads(done.stdout)["entries"]] == ["above"]


def test_looking_for_help_loads_no_database() -> None:
    code = "import holdfast.cli.memory as m, holdfast.cli.memory.looking, sys"
    probe = f"{code}; sys.exit(any(each in sys.modules for each in ('sqlite3', 'asyncio')))"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
