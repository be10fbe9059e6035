"""Look after a store as a user does: with real commands, beside real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.journeys.cli import COMMAND, Done, Project, stop

WRITER = """
import asyncio, sys
from holdfast.clock import SystemClock
from holdfast.storage.opening import open_store

async def main():
    async with open_store(sys.argv[1], clock=SystemClock()) as store:
        for number in range(int(sys.argv[2])):
            await store.put(("k", str(number)), b"value %d" % number, expected=-1)
            await store.append(("log",), [b"entry %d" % number])
        if len(sys.argv) > 3:
            print("open", flush=True)
            number = 0
            while True:
                number += 1
                await store.append(("live",), [b"%d" % number])
                if number % 20 == 0:
                    print(number, flush=True)

asyncio.run(main())
"""


def write(project: Project, url: str, count: int) -> None:
    """Fill a store in another process."""
    script = project.write("writer.py", textwrap.dedent(WRITER))
    subprocess.run(
        [sys.executable, str(script), url, str(count)], cwd=project.folder, check=True, timeout=60
    )


@contextmanager
def writing(project: Project, url: str) -> Iterator[subprocess.Popen[str]]:
    """Give a process that goes on writing into a store, and has begun."""
    script = project.write("writer.py", textwrap.dedent(WRITER))
    process = subprocess.Popen(
        [sys.executable, str(script), url, "3", "on"], cwd=project.folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        stop(process)


def segment(project: Project) -> Path:
    return project.folder / ".holdfast" / "journal" / "00000001.jsonl"


def flip(path: Path, at: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(at)] ^= 1
    path.write_bytes(data)


def content(project: Project, *store: str) -> list[str]:
    done = project.run("store", "export", *store)
    assert done.code == 0, done.err
    return done.out.splitlines()


def test_a_damaged_store_is_verified_repaired_and_verified_again(project: Project) -> None:
    write(project, "files:.holdfast", 20)
    clean = project.run("store", "verify")
    assert clean.code == 0
    assert "nothing is damaged" in clean.out
    assert "20 records" in clean.out
    before = content(project)
    whole = segment(project).read_bytes()
    flip(segment(project), b"value 7")
    damaged = project.run("store", "verify")
    assert damaged.code == 4
    assert "journal/00000001.jsonl at " in damaged.out
    assert "healed: nothing is lost" in damaged.out
    assert "holdfast store repair --dry-run" in damaged.err
    assert project.run("store", "compact").code == 4
    planned = project.run("store", "repair", "--dry-run")
    assert planned.code == 0
    assert "would write journal/00000001.jsonl anew" in planned.out
    assert project.run("store", "verify").code == 4
    repaired = project.run("store", "repair")
    assert repaired.code == 0
    assert "nothing is damaged any more" in repaired.out
    assert segment(project).read_bytes() == whole
    assert project.run("store", "verify").code == 0
    assert content(project) == before
    assert "nothing is damaged" in project.run("store", "repair").out


def test_every_action_speaks_json(project: Project) -> None:
    write(project, "files:.holdfast", 5)
    flip(segment(project), b"value 3")
    report = project.run("store", "verify", "--json")
    assert report.code == 4
    (finding,) = report.data["findings"]
    assert finding["file"] == "journal/00000001.jsonl"
    assert finding["remedy"] == "healed"
    assert report.data["clean"] is False
    assert report.data["promise"]
    planned = project.run("store", "repair", "--dry-run", "--json").data
    assert planned["left"] is None
    repaired = project.run("store", "repair", "--json").data
    assert len(repaired["actions"]) == len(planned["actions"]) == 2
    assert repaired["left"]["clean"] is True
    compacted = project.run("store", "compact", "--json").data
    assert compacted["bytes_before"] > 0
    assert project.run("store", "backup", "copy", "--json").data["report"]["clean"] is True
    other = ("--store", "files:other")
    restored = project.run("store", "restore", "copy", "--json", *other).data
    assert restored["replaced"] is None
    out = project.run("store", "export", "--out", "export.jsonl", "--json").data
    assert (out["records"], out["logs"], out["entries"]) == (5, 1, 5)
    done = project.run("store", "import", "export.jsonl", "--json", "--store", "sqlite:new.db").data
    assert (done["records"], done["entries"], done["refused_records"]) == (5, 5, [])
    error = project.run("store", "verify", "--json", "--store", "files:nowhere")
    assert error.code == 4
    assert error.data["error"]["type"] == "StorageUnavailable"


@pytest.mark.parametrize("kind", ["files", "sqlite"])
def test_a_store_is_looked_after_while_another_process_writes_to_it(
    project: Project, kind: str
) -> None:
    url = "files:.holdfast" if kind == "files" else "sqlite:live.db"
    with writing(project, url) as writer:
        assert writer.stdout is not None
        for number in range(3):
            verified = project.run("store", "verify", "--store", url)
            assert verified.code == 0, verified.out
            backup = project.run("store", "backup", f"copy{number}", "--store", url)
            assert backup.code == 0, backup.err
            compacted = project.run("store", "compact", "--store", url)
            assert compacted.code == 0, compacted.err
            assert writer.poll() is None
            seen = int(writer.stdout.readline())
            assert seen % 20 == 0
        forced = project.run("store", "restore", "copy0", "--force", "--store", url)
        assert forced.code == 4
        assert "open in another process" in forced.err or "locked" in forced.err
        if kind == "files":
            refused = project.run("store", "repair", "--store", url)
            assert refused.code == 4
            assert "open in another process" in refused.err
    assert project.run("store", "verify", "--store", url).code == 0
    lines = [json.loads(line) for line in content(project, "--store", url)]
    pieces = [line["entries"] for line in lines if line.get("log") == ["live"]]
    live = [entry for piece in pieces for entry in piece]
    assert len(live) >= seen
    assert live == [str(number) for number in range(1, len(live) + 1)]


def test_a_store_moves_to_another_backend_and_back(project: Project) -> None:
    write(project, "files:.holdfast", 150)
    before = content(project)
    assert project.run("store", "export", "--out", "out.jsonl").code == 0
    assert project.run("store", "import", "out.jsonl", "--store", "sqlite:moved.db").code == 0
    assert content(project, "--store", "sqlite:moved.db") == before
    back = project.run("store", "import", "out.jsonl", "--store", "files:back")
    assert back.code == 0
    assert content(project, "--store", "files:back") == before
    assert project.run("store", "verify", "--store", "files:back").code == 0
    again = project.run("store", "import", "out.jsonl", "--store", "files:back")
    assert again.code == 2
    assert "not empty" in again.err
    existing = project.run(
        "store", "import", "out.jsonl", "--into-existing", "--store", "files:back"
    )
    assert existing.code == 0
    assert "300 records and entries were there already" in existing.out


def test_what_is_exported_to_a_file_is_there_only_when_it_is_complete(project: Project) -> None:
    write(project, "files:.holdfast", 3)
    project.write("mine.jsonl", "mine")
    refused = project.run("store", "export", "--out", "mine.jsonl")
    assert refused.code == 2
    assert (project.folder / "mine.jsonl").read_text() == "mine"
    missing = project.run("store", "export", "--out", "no/such/folder.jsonl")
    assert missing.code == 2
    assert project.run("store", "export", "--store", "files:nowhere").code == 4
    assert not (project.folder / "nowhere").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["store"], "required: ACTION"),
        (["store", "mend"], "invalid choice: 'mend'"),
        (["store", "backup"], "required: DIR"),
        (["store", "restore"], "required: DIR"),
        (["store", "import"], "required: FILE"),
        (["store", "verify", "--dry-run"], "unrecognized arguments: --dry-run"),
        (["store", "verify", "--store", "redis://:secret@host"], "looked after by its server"),
        (["store", "repair", "--store", "sqlite:x.db"], "cannot repair"),
        (["store", "verify", "--store", "memory://"], "nothing to look after"),
        (["store", "import", "nowhere.jsonl"], "cannot be read"),
    ],
)
def test_a_mistake_is_told_with_exit_code_two(
    project: Project, words: list[str], said: str
) -> None:
    done = project.run(*words)
    assert done.code == 2
    assert said in done.err
    assert "secret" not in done.err
    assert not (project.folder / ".holdfast").exists() or words[1] == "import"


def test_the_common_options_may_stand_on_either_side_of_the_action(project: Project) -> None:
    write(project, "files:other", 2)
    for words in (
        ["store", "--json", "--store", "files:other", "verify"],
        ["store", "verify", "--json", "--store", "files:other"],
        ["store", "--store", "files:nowhere", "verify", "--json", "--store", "files:other"],
    ):
        assert project.run(*words).data["counts"]["records"] == 2


def test_an_interrupted_backup_leaves_no_journal_that_is_not_whole(project: Project) -> None:
    write(project, "files:.holdfast", 400)
    for delay in range(1, 6):
        target = project.folder / f"copy{delay}"
        process = subprocess.Popen(
            [*COMMAND, "store", "backup", target.name], cwd=project.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ},
        )  # fmt: skip
        # As soon as it has begun to copy, or is done.
        while process.poll() is None and not target.exists():
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        done = Done(process.returncode, out, err)
        assert "Traceback" not in err, err
        assert done.code in (0, 130), err
        assert (target / "journal").exists() or done.code == 130
        if (target / "journal").exists():
            assert project.run("store", "verify", "--store", f"files:{target}").code == 0
    assert project.run("store", "verify").code == 0


def test_an_export_that_nobody_reads_to_its_end_is_no_error(project: Project) -> None:
    write(project, "files:.holdfast", 300)
    command = " ".join([*COMMAND, "store", "export", "|", "head", "-1"])
    done = subprocess.run(
        ["bash", "-c", command], cwd=project.folder, capture_output=True, text=True, check=False
    )
    assert done.stdout == '{"format":"holdfast export","version":1}\n'
    assert "Traceback" not in done.stderr
