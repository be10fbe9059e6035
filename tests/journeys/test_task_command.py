"""`holdfast task` as people and agents use it: real processes, one after the other."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.cli import Done, Project

WRONG = 2


def task(project: Project, *words: str, **options: Any) -> Done:
    return project.run("task", *words, **options)


def create(project: Project, *words: str) -> str:
    done = task(project, "create", *words, "--json")
    assert done.code == 0, done.err
    return done.data["id"]


def test_a_task_goes_its_way_from_creation_to_result(project: Project) -> None:
    report = create(project, "write", "the", "report", "-p", "high", "-t", "docs", "-d", "On kelp.")
    mail = create(project, "send it", "--blocked-by", report[:6])
    ready = task(project, "ready")
    assert "write the report" in ready.out
    assert "send it" not in ready.out
    listed = task(project, "list", "--json").data
    assert [each["name"] for each in listed["tasks"]] == ["send it", "write the report"]

    claimed = task(project, "claim", "--next", "--by", "worker")
    assert claimed.code == 0
    assert "fence 1" in claimed.out
    assert "On kelp." in claimed.out
    assert f"holdfast task complete {report[:8]} --fence 1" in claimed.err
    assert task(project, "claim", "--next").code == 1  # there is nothing else that could be begun

    late = task(project, "complete", report, "--fence", "7", "--json")
    assert late.code == 6
    assert late.data["error"]["type"] == "LeaseLost"
    done = task(
        project, "complete", report[:8], "--fence", "1", "--result", '{"pages": 3}', "--json"
    )
    assert (done.data["state"], done.data["result"]) == ("completed", {"pages": 3})
    assert "send it" in task(project, "ready").out
    kinds = [each["event"] for each in task(project, "history", report, "--json").data["events"]]
    assert kinds == ["created", "claimed", "completed"]
    shown = task(project, "show", mail[:8])
    assert f"{report[:8]} completed" in shown.out


def test_a_question_blocks_a_task_until_it_is_answered(project: Project) -> None:
    made = create(project, "deploy")
    task(project, "start", made, "-m", "rolling out")
    schema = '{"type": "string", "enum": ["eu", "us"]}'
    asked = task(project, "block", made, "which region?", "--key", "region", "--schema", schema)
    assert "asks: region" in asked.err
    wrong = task(project, "answer", made, "moon")
    assert wrong.code == WRONG
    assert "moon" in wrong.err
    assert task(project, "answer", made, "eu", "--json").data["state"] == "working"
    again = task(project, "answer", made, "us")
    assert again.code == WRONG
    assert "asks for nothing" in again.err


def test_variables_are_set_deleted_and_guarded_by_their_version(project: Project) -> None:
    made = create(project, "count", "--set", "total=1")
    assert task(project, "set", made, "total=2", "seen=[1,2]", "--expect", "total=1").code == 0
    conflict = task(project, "set", made, "total=9", "--expect", "total=1")
    assert conflict.code == WRONG
    assert "it is 2, and was to be 9" in conflict.err
    task(project, "set", made, "seen=null")
    variables = task(project, "show", made, "--json").data["variables"]
    assert {name: each["value"] for name, each in variables.items()} == {"total": 2}


def test_it_works_from_any_folder_below_the_project(project: Project) -> None:
    project.run("init")
    deep = project.folder / "a" / "b"
    deep.mkdir(parents=True)
    made = create(project, "at the top")
    below = Project(deep, project.environ)
    assert task(below, "show", made[:8], "--json").data["name"] == "at the top"
    create(below, "from below")
    assert "from below" in task(project, "list").out
    assert not (deep / ".holdfast").exists()


def test_a_look_makes_no_store(project: Project) -> None:
    for words in (["list"], ["ready"], ["search", "kelp"], ["stats"]):
        assert task(project, *words).code == 0
    assert not (project.folder / ".holdfast").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "zz"], "0-9 and a-f"),
        (["show", "ffffffff"], "no task has an id that starts with"),
        (["create", "x", "-p", "soon"], "urgent"),
        (["create", "x", "--ttl", "later"], "90s"),
        (["create", "x", "--blocked-by", "ffffffff"], "no task has an id"),
        (["create", ""], "name"),
        (["list", "--state", "asleep"], "pending"),
        (["list", "--since", "once"], "ISO 8601"),
        (["list", "--limit", "0"], "at least 1"),
        (["list", "--cursor", "???"], "no cursor"),
        (["claim"], "--next"),
        (["create", "x", "--set", "a"], "NAME=VALUE"),
        (["create", "x", "-d", "@missing.md"], "cannot be read"),
    ],
)
def test_what_is_asked_for_wrongly_is_told_with_the_remedy(
    project: Project, words: list[str], said: str
) -> None:
    done = task(project, *words)
    assert done.code == WRONG
    assert said in done.err
    as_json = task(project, *words, "--json")
    assert as_json.code == WRONG
    assert as_json.data["error"]["message"]


def test_an_ambiguous_beginning_names_those_that_it_may_be(project: Project) -> None:
    made = [create(project, f"task {number}") for number in range(17)]
    first = next(each[0] for each in made if sum(each[0] == other[0] for other in made) > 1)
    done = task(project, "show", first)
    assert done.code == WRONG
    assert sum(each in done.err for each in made if each[0] == first) > 1


def test_a_circle_and_a_change_of_what_ended_are_refused(project: Project) -> None:
    first, second = create(project, "first"), create(project, "second")
    task(project, "depend", second, first)
    circle = task(project, "depend", first, second)
    assert circle.code == WRONG
    assert first[:8] in circle.err
    assert second[:8] in circle.err
    task(project, "complete", first)
    late = task(project, "start", first)
    assert late.code == WRONG
    assert "completed" in late.err


def test_what_ended_is_found_by_what_was_said_about_it(project: Project) -> None:
    made = create(project, "mend the pump")
    task(project, "note", made, "the gasket was brittle")
    task(project, "complete", made)
    found = task(project, "search", "brittle", "gaskets")
    assert "mend the pump" in found.out
    assert "[gasket]" in found.out
    assert task(project, "search", "gasket", "--open").out == "nothing was found\n"
    (project.folder / ".holdfast" / "search" / "tasks.db").write_bytes(b"garbage" * 1000)
    hits = task(project, "search", "gasket", "--json").data["tasks"]
    assert [each["id"] for each in hits] == [made]


@pytest.mark.promise("hand-edit-kept")
def test_a_file_of_a_task_is_edited_by_hand(project: Project) -> None:
    made = create(project, "mend the pump")
    assert task(project, "faces").code == 0
    face = project.folder / ".holdfast" / "tasks" / f"{made}.md"
    replace(face, 'note: ""', 'note: "it is loud"')
    replace(face, '"normal"', '"urgent"')
    seen = task(project, "list", "--json")
    assert seen.data["tasks"][0]["priority"] == 0
    history = task(project, "history", made)
    assert "hand edit (face)" in history.out
    assert "it is loud" in history.out
    replace(face, f'id: "{made}"', 'id: "mine"')
    refused = task(project, "list")
    assert "cannot be edited" in refused.err
    assert list((face.parent / "conflicts").glob("*.refused.*.why"))
    task(project, "complete", made)
    assert not face.exists()


def replace(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


@pytest.mark.parametrize("store", ["files", "sqlite"])
def test_of_many_that_claim_at_once_each_gets_a_task_of_its_own(
    project: Project, store: str
) -> None:
    place = f"files:{project.folder}/s" if store == "files" else f"sqlite:{project.folder}/s.db"
    project.environ["HOLDFAST_STORE"] = place
    for number in range(4):
        create(project, f"task {number}")

    def claim(number: int) -> Done:
        return task(project, "claim", "--next", "--by", f"worker-{number}", "--json")

    with ThreadPoolExecutor(6) as pool:
        claims = list(pool.map(claim, range(6)))
    got = [done.data["id"] for done in claims if done.code == 0]
    assert len(got) == len(set(got)) == 4
    assert [done.code for done in claims if done.code != 0] == [1, 1]


def test_a_run_is_listed_among_the_tasks(project: Project) -> None:
    project.run("init")
    project.write("text.txt", "The kelp grips the rock.")
    ran = project.run("run", "workflow.yaml", "--input", "text=@text.txt", "--json")
    create(project, "by hand")
    kinds = {each["kind"] for each in task(project, "list", "--json").data["tasks"]}
    assert kinds == {"task", "run"}
    only = task(project, "list", "--kind", "run", "--json").data["tasks"]
    assert [each["id"] for each in only] == [json.loads(ran.out)["id"]]
    assert task(project, "history", only[0]["id"]).code == 0


def test_repair_finds_nothing_to_mend_and_watch_ends_with_the_task(project: Project) -> None:
    made = create(project, "short")
    task(project, "complete", made)
    repaired = task(project, "repair", "--json")
    assert (repaired.code, repaired.data["clean"]) == (0, True)
    assert "completed" in task(project, "watch", made).out
    assert task(project, "stats", "--json").data["by_state"] == {"completed": 1}


def test_a_page_ends_with_the_cursor_of_the_next_one(project: Project) -> None:
    made = [create(project, f"task {number}") for number in range(5)]
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        page = task(project, "list", "--limit", "2", "--cursor", cursor, "--json").data
        seen += [each["id"] for each in page["tasks"]]
        cursor = page["cursor"]
    assert seen == made[::-1]
    assert cursor == ""
