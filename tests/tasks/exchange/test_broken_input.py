"""What is broken in a file is told with its line and a remedy; the good rest is taken in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import UsageError
from holdfast.tasks import Filter
from holdfast.tasks.exchange.formats import detect_format
from holdfast.tasks.exchange.importing import Imported
from tests.tasks.exchange.desk import T0, Desk, by, objects

GOOD = '{"id": "bd-%s", "title": "good %s", "created_at": "%s"}'
UUID = "42b69ece-718e-4d2e-8c1b-fbf4f5b61ed%d"


def good(name: object) -> str:
    return GOOD % (name, name, T0)


def task(number: int, **more: Any) -> dict[str, Any]:
    return {
        "uuid": UUID % number, "description": f"task {number}", "status": "pending",
        "entry": "20230102T030405Z", **more,
    }  # fmt: skip


def put(desk: Desk, text: str | bytes, name: str = "in.jsonl") -> Path:
    path = desk.folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems(done: Imported) -> list[tuple[int, str]]:
    assert all(each.remedy and each.place.file for each in done.findings)
    return [(each.place.line, each.what) for each in done.findings if each.weight == "problem"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b'{"id": "bd-2", "title": ', "cannot be read as JSON"),
        (b'{"id": "bd-2"}', "no title"),
        (b'{"id": 7, "title": "x"}', "no id"),
        (b'["bd-2"]', "cannot be read as JSON"),
        (b'{"id": "bd-2", "title": "\xff"}', "not in UTF-8"),
        (b'{"id": "bd-2", "title": "x", "title": "y"}', "'title' is there twice"),
        (b'{"id": "bd-2", "title": "x", "score": NaN}', "NaN is no number"),
        (b'{"id": "bd-2", "title": "x", "score": 1e999}', "cannot be stored"),
        (b'{"id": "bd-2", "title": "x", "a": ' + b"[" * 100_000 + b"}", "nested too deep"),
        (good(1).encode(), "the id is there twice: the first is in"),
    ],
)
async def test_a_bad_line_is_told_and_the_lines_around_it_are_taken(
    desk: Desk, line: bytes, what: str
) -> None:
    text = b"\n".join([good(1).encode(), line, good(3).encode(), b""])
    done = await desk.bring("beads", put(desk, text))
    assert done.created == 2
    [(number, told)] = problems(done)
    assert number == 2
    assert what in told


async def test_arrays_on_many_lines_or_on_one_are_read_and_a_break_in_them_is_found(
    desk: Desk,
) -> None:
    raws = [task(1, tags=["a"]), task(2), task(3)]
    for text in (json.dumps(raws), json.dumps(raws, indent=2), json.dumps(raws, indent=4)):
        done = await desk.bring("taskwarrior", put(desk, "\ufeff" + text))
        assert (done.read, done.findings) == (3, [])
    broken = json.dumps(raws, indent=2).replace('"task 2",', '"task 2"', 1)
    done = await desk.bring("taskwarrior", put(desk, broken))
    assert done.read == 2
    [(line, _)] = problems(done)
    assert broken.splitlines()[line - 1 : line + 1] == ["  {", f'    "uuid": "{UUID % 2}",']


async def test_a_circle_is_named_cut_and_given_back(desk: Desk) -> None:
    raws = [
        task(1, depends=[UUID % 2]),
        task(2, depends=[UUID % 3]),
        task(3, depends=[UUID % 1]),
        task(4, depends=[UUID % 4]),
    ]
    done = await desk.bring("taskwarrior", desk.write(raws))
    assert done.created == 4
    told = dict(problems(done))
    assert set(told) == {3, 4}
    assert " is blocked by ".join(UUID % number for number in (1, 2, 3, 1)) in told[3]
    assert "itself" in told[4]
    assert len(await desk.tasks.ready()) == 2
    text, _ = await desk.take("taskwarrior")
    assert by("uuid", objects(text)) == by("uuid", raws)


async def test_a_task_may_wait_for_a_part_of_it(desk: Desk) -> None:
    def edge(issue: str, on: str, kind: str) -> dict[str, Any]:
        dependency = {"issue_id": issue, "depends_on_id": on, "type": kind}
        return {"id": issue, "title": issue, "created_at": T0, "dependencies": [dependency]}

    raws = [edge("bd-1", "bd-2", "blocks"), edge("bd-2", "bd-1", "parent-child")]
    done = await desk.bring("beads", desk.write(raws))
    assert (done.created, done.findings) == (2, [])


async def test_an_unknown_status_and_unreadable_times_are_told_and_kept(desk: Desk) -> None:
    raws = [
        task(1, status="someday"),
        task(2, entry="yesterday"),
        task(3, end="20231399T000000Z", status="completed"),
        task(4, annotations=[{"entry": "then", "description": "words"}]),
    ]
    path = desk.write(raws)
    done = await desk.bring("taskwarrior", path)
    assert done.created == 4
    assert [line for line, _ in problems(done)] == [1, 2, 3, 4]
    held = (await desk.tasks.list(Filter(text="task 1"))).tasks[0]
    assert held.state == "input_required"
    dated = (await desk.tasks.list(Filter(text="task 2"))).tasks[0]
    assert dated.created_at == desk.clock.now_ms()
    assert (await desk.bring("taskwarrior", path)).same == 4
    text, _ = await desk.take("taskwarrior")
    assert by("uuid", objects(text)) == by("uuid", raws)


async def test_names_and_tags_that_holdfast_does_not_take_are_made_to_fit_and_given_back(
    desk: Desk,
) -> None:
    long = "word " * 200 + "end"
    raws = [task(1, description=long, project="my home"), task(2, description="a\tb\x07")]
    done = await desk.bring("taskwarrior", desk.write(raws))
    assert (done.created, done.problems) == (2, 0)
    page = await desk.tasks.list(Filter(text="word"))
    whole = await desk.tasks.get(page.tasks[0].id)
    assert whole.name.endswith("…")
    assert whole.description == long
    assert whole.tags == ("project:my-home",)
    text, exported = await desk.take("taskwarrior")
    assert by("uuid", objects(text)) == by("uuid", raws)
    assert exported.left_out == {}


async def test_what_is_too_large_is_left_out_with_its_size_and_told(desk: Desk) -> None:
    done = await desk.bring("taskwarrior", desk.write([task(1, notes="x" * 70_000), task(2)]))
    assert done.created == 1
    assert "65536 are allowed; it was left out" in problems(done)[0][1]


async def test_what_depends_on_a_task_that_was_left_out_is_taken_without_that(
    desk: Desk,
) -> None:
    raws = [task(1, notes="x" * 70_000), task(2, depends=[UUID % 1])]
    done = await desk.bring("taskwarrior", desk.write(raws))
    assert [line for line, _ in problems(done)] == [1, 2]
    assert len(await desk.tasks.ready()) == 1


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ('[{"uuid"'.encode("utf-16"), "UTF-16"),
        (b"just words\n", "looks like none of"),
        (b"", "looks like none of"),
    ],
)
async def test_a_file_of_which_nothing_can_be_read_is_refused(
    desk: Desk, data: bytes, what: str
) -> None:
    path = put(desk, data)
    if "UTF-16" in what:
        with pytest.raises(UsageError, match=what):
            await desk.bring("taskwarrior", path)
    with pytest.raises(UsageError, match="looks like none of"):
        detect_format(path)
    with pytest.raises(UsageError, match="there is no"):
        detect_format(desk.folder / "missing")


async def test_broken_files_of_backlog_are_told_and_the_others_are_taken(desk: Desk) -> None:
    folder = desk.folder / "backlog" / "tasks"
    folder.mkdir(parents=True)
    (folder / "task-1 - a.md").write_text("---\nid: TASK-1\ntitle: one\nstatus: To Do\n---\n")
    (folder / "task-2 - b.md").write_text("---\nid: TASK-2\ntitle: two\n")
    (folder / "task-3 - c.md").write_text("no front matter\n")
    (folder / "task-4 - d.md").write_bytes(b"---\nid: \xff\n---\n")
    (folder / "task-5 - e.md").write_text("---\nid: TASK-5\ntitle: e\nlabels: [a\n---\n")
    (folder / "task-6 - f.md").write_text("---\ntitle: nobody\n---\n")
    (folder / "task-7 - g.md").write_text("---\nid: TASK-1\ntitle: again\n---\n")
    done = await desk.bring("backlog", desk.folder)
    assert done.created == 2
    told = {Path(each.place.file).name[:6]: each for each in done.findings}
    assert set(told) == {f"task-{number}" for number in range(2, 8)}
    assert told["task-5"].place.line == 4
    await desk.take("backlog", folder=desk.folder / "out")
    out = desk.folder / "out" / "tasks" / "task-5 - e.md"
    assert out.read_text() == (folder / "task-5 - e.md").read_text()


@pytest.mark.parametrize("text", ["{", '{"session_id": ', "[]"])
async def test_a_broken_file_of_a_session_is_told(desk: Desk, text: str) -> None:
    done = await desk.bring("seed", put(desk, text))
    assert (done.read, done.problems) == (0, 1)
