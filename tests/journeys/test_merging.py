"""Share a project through git as a user does: two clones, real git, no conflict."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast.clock import SystemClock
from holdfast.errors import StorageUnavailable
from holdfast.storage.faces import JsonCodec
from holdfast.storage.faces.history import MARK, mark_fields
from holdfast.storage.files import FilesStore, journal
from holdfast.storage.seam import ANY
from tests.journeys.cli import Done, Project
from tests.storage.files_damage import compress_all

LOG = ("log",)


@dataclass
class Clone(Project):
    """A clone with a store in it."""

    def git(self, *words: str, fails: bool = False) -> str:
        environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        for who in ("AUTHOR", "COMMITTER"):
            environ |= {f"GIT_{who}_NAME": "t", f"GIT_{who}_EMAIL": "t@example.invalid"}
        done = subprocess.run(
            ["git", *words],
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert bool(done.returncode) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "work")

    def pull(self, other: Clone, *, fails: bool = False) -> str:
        self.git("fetch", "-q", str(other.folder), "HEAD")
        return self.git("merge", "-q", "-m", "merge", "FETCH_HEAD", fails=fails)

    def clone_to(self, folder: Path) -> Clone:
        self.git("clone", "-q", str(self.folder), str(folder))
        clone = Clone(folder)
        assert clone.run("merge", "--install").code == 0
        return clone

    @property
    def store(self) -> Path:
        return self.folder / ".holdfast"

    def add(self, *entries: str, **records: str) -> None:
        asyncio.run(self._add(entries, records))

    async def _add(self, entries: tuple[str, ...], records: dict[str, str]) -> None:
        async with FilesStore(self.store, clock=SystemClock()) as store:
            for entry in entries:
                await store.append(LOG, [entry.encode()])
            for key, value in records.items():
                await store.put(("k", key), value.encode(), expected=ANY)

    def content(self) -> tuple[list[str], dict[str, str]]:
        return asyncio.run(self._content())

    async def _content(self) -> tuple[list[str], dict[str, str]]:
        async with FilesStore(self.store, clock=SystemClock()) as store:
            entries = [entry.value.decode() for entry in await store.read(LOG)]
            records = await store.scan(("k",), limit=1000)
        return entries, {record.key[1]: record.value.decode() for record in records}

    def tree(self) -> str:
        return self.git("rev-parse", "HEAD^{tree}")

    def verify(self) -> Done:
        return self.run("store", "verify")


@pytest.fixture
def one(tmp_path: Path) -> Clone:
    folder = tmp_path / "one"
    folder.mkdir()
    clone = Clone(folder)
    clone.git("init", "-q")
    clone.add("first", common="before")
    assert clone.run("merge", "--install").code == 0
    clone.commit()
    return clone


@pytest.fixture
def other(one: Clone, tmp_path: Path) -> Clone:
    return one.clone_to(tmp_path / "other")


@contextmanager
def small_segments(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(journal, "SEGMENT_BYTES", 1000)
        yield


def face(fields: dict[str, object], *, mark: object = None) -> str:
    marked = dict(mark_fields(fields))
    return JsonCodec().render({**marked, MARK: mark or marked[MARK]})


@pytest.mark.promise("clones-merge")
def test_git_merges_two_clones_without_a_conflict_and_alike_both_ways(
    one: Clone, other: Clone
) -> None:
    one.add("a1", "a2", mine="a", common="one")
    one.commit()
    other.add("b1", theirs="b", common="other")
    other.commit()
    one_before = one.git("rev-parse", "HEAD").strip()
    assert "have the later value" in one.pull(other)
    other.git("fetch", "-q", str(one.folder), one_before)
    other.git("merge", "-q", "-m", "merge", "FETCH_HEAD")
    assert one.tree() == other.tree()
    entries, records = one.content()
    assert entries[0] == "first"
    assert sorted(entries[1:]) == ["a1", "a2", "b1"]
    assert records == {"mine": "a", "theirs": "b", "common": "other"}
    for clone in (one, other):
        assert clone.verify().code == 0
        assert clone.git("status", "--short") == ""


def test_clones_go_on_after_a_criss_cross_merge(one: Clone, other: Clone) -> None:
    for round_ in range(3):
        one.add(f"a{round_}", mine=f"{round_}")
        one.commit()
        other.add(f"b{round_}", theirs=f"{round_}")
        other.commit()
        before = one.git("rev-parse", "HEAD").strip()
        one.pull(other)
        other.git("fetch", "-q", str(one.folder), before)
        other.git("merge", "-q", "-m", "merge", "FETCH_HEAD")
    one.pull(other)
    entries, _ = one.content()
    assert sorted(entries) == ["a0", "a1", "a2", "b0", "b1", "b2", "first"]
    assert one.content() == other.content()
    assert one.verify().code == 0


def test_a_rebase_keeps_what_both_wrote(one: Clone, other: Clone) -> None:
    one.add("a1")
    one.commit()
    other.add("b1")
    other.commit()
    other.add("b2")
    other.commit()
    other.git("fetch", "-q", str(one.folder), "HEAD")
    other.git("rebase", "-q", "FETCH_HEAD")
    assert sorted(other.content()[0]) == ["a1", "b1", "b2", "first"]


def test_a_merge_over_several_segments_is_sorted_when_the_store_is_opened(
    one: Clone, other: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_segments(monkeypatch):
        one.add(*(f"a{number}" for number in range(20)))
        one.commit()
        other.add(*(f"b{number}" for number in range(12)))
        other.commit()
    assert "`holdfast merge` sorts them" in one.pull(other)
    refused = one.verify()
    assert refused.code == 4
    assert "not sorted yet" in refused.err
    copy = one.clone_to(one.folder.with_name("copy"))
    assert "sorted the journal" in one.run("merge").out
    assert one.verify().code == 0
    expected = ["first", *(f"a{n}" for n in range(20)), *(f"b{n}" for n in range(12))]
    for clone in (one, copy):  # the other one is sorted by opening it
        entries, _ = clone.content()
        assert sorted(entries) == sorted(expected)
        clone.commit()
    assert one.tree() == copy.tree()


def test_without_the_driver_the_conflict_is_finished_by_one_command(
    one: Clone, tmp_path: Path
) -> None:
    one.git("clone", "-q", str(one.folder), str(tmp_path / "bare"))
    bare = Clone(tmp_path / "bare")
    one.add("a1")
    one.commit()
    bare.add("b1")
    bare.commit()
    assert "CONFLICT" in bare.pull(one, fails=True)
    done = bare.run("merge", "--json")
    assert done.data["solved"] == [".holdfast/journal/00000001.jsonl"]
    bare.git("commit", "-q", "-m", "merged")
    assert sorted(bare.content()[0]) == ["a1", "b1", "first"]
    assert bare.verify().code == 0
    assert bare.run("merge").out == "there is nothing to merge\n"


def test_faces_merge_field_by_field_and_a_clash_is_kept(one: Clone, other: Clone) -> None:
    base: dict[str, object] = {"name": "n", "state": "new", "note": "x"}
    one.write(".holdfast/tasks/t.json", face(base))
    mark = dict(mark_fields(base))[MARK]
    one.commit()
    other.pull(one)
    one.write(".holdfast/tasks/t.json", face({**base, "state": "done", "note": "1"}, mark=mark))
    one.commit()
    other.write(".holdfast/tasks/t.json", face({**base, "name": "m", "note": "2"}, mark=mark))
    other.commit()
    assert "the other one is kept as conflicts/merge-" in one.pull(other)
    merged = (one.store / "tasks/t.json").read_text()
    fields = JsonCodec().parse(merged)
    assert (fields["name"], fields["state"]) == ("m", "done")
    [kept] = (one.store / "tasks/conflicts").glob("merge-*.json")
    assert {fields["note"], JsonCodec().parse(kept.read_text())["note"]} == {"1", "2"}
    assert "note is" in kept.with_name(f"{kept.name}.why").read_text()


def test_a_face_that_one_clone_removed_is_where_git_stops_and_one_command_goes_on(
    one: Clone, other: Clone
) -> None:
    path = one.write(".holdfast/memory/fact.md", '---\ntitle: "t"\n---\n\nbefore\n')
    one.commit()
    other.pull(one)
    path.unlink()
    one.commit()
    other.write(".holdfast/memory/fact.md", '---\ntitle: "t"\n---\n\nafter\n')
    other.commit()
    assert "modify/delete" in one.pull(other, fails=True)
    assert one.run("merge", "--json").data["solved"] == [".holdfast/memory/fact.md"]
    one.git("commit", "-q", "-m", "merged")
    assert path.read_text().endswith("after\n")


def test_a_project_in_a_folder_with_a_strange_name_merges(tmp_path: Path) -> None:
    one = Clone(tmp_path / "one")
    one.folder.mkdir()
    one.git("init", "-q")
    inner = one.folder / "a b'c" / "d%P"
    inner.mkdir(parents=True)
    project = Clone(inner)
    project.add("first")
    assert project.run("merge", "--install").code == 0
    one.commit()
    one.git("clone", "-q", str(one.folder), str(tmp_path / "other"))
    twin = Clone(tmp_path / "other" / inner.relative_to(one.folder))
    assert twin.run("merge", "--install").code == 0
    for clone, entry in ((project, "a"), (twin, "b")):
        clone.add(entry)
        clone.commit()
    project.pull(Clone(tmp_path / "other"))
    assert sorted(project.content()[0]) == ["a", "b", "first"]


def test_segments_that_were_compressed_before_are_unpacked_for_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = Clone(tmp_path)
    clone.git("init", "-q")
    with small_segments(monkeypatch):
        clone.add(*map(str, range(20)))
    compress_all(clone.store)
    packed = len(list(clone.store.glob("journal/*.zst")))
    assert packed > 1
    done = clone.run("merge", "--install")
    assert f"unpacked {packed} compressed segments" in done.out
    assert not list(clone.store.glob("journal/*.zst"))
    assert clone.content()[0] == list(map(str, range(20)))
    assert clone.verify().code == 0


def test_git_carries_the_truth_and_nothing_else(one: Clone) -> None:
    one.write(".holdfast/index.db", "x")
    one.write(".holdfast/search.db-wal", "x")
    one.write(".holdfast/processes/7", "x")
    one.write(".holdfast/memory/.base/x.md.base", "x")
    one.write(".holdfast/memory/project/fact.md", "x")
    one.write(".holdfast/memory/conflicts/taking/x.md", "x")
    one.commit()
    carried = one.git("ls-files", ".holdfast").split()
    assert carried == [
        ".holdfast/.gitattributes",
        ".holdfast/.gitignore",
        ".holdfast/journal/00000001.jsonl",
        ".holdfast/journal/shared",
        ".holdfast/memory/project/fact.md",
    ]
    assert (one.store / "journal/00000001.jsonl").stat().st_size < 2000


def test_installing_twice_changes_nothing(one: Clone) -> None:
    done = one.run("merge", "--install", "--json")
    assert done.data["done"] == []
    assert one.git("status", "--short") == ""


def test_installing_takes_the_store_out_of_what_is_ignored(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    clone.git("init", "-q")
    clone.run("init")
    clone.add("x")
    assert ".holdfast/" in (tmp_path / ".gitignore").read_text()
    done = clone.run("merge", "--install")
    assert "took '.holdfast/' out of .gitignore" in done.out
    clone.commit()
    assert ".holdfast/journal/00000001.jsonl" in clone.git("ls-files")


def test_a_shared_store_is_not_compacted(one: Clone) -> None:
    done = one.run("store", "compact")
    assert done.code == 2
    assert "could not merge any more" in done.err


def test_git_is_refused_while_a_process_has_the_store_open(one: Clone, other: Clone) -> None:
    one.add("a1")
    one.commit()
    other.add("b1")
    other.commit()

    async def pull() -> None:
        async with FilesStore(one.store, clock=SystemClock()):
            told = one.pull(other, fails=True)
            assert "is open in another process" in told

    asyncio.run(pull())
    assert one.run("merge").code == 0
    one.git("commit", "-q", "-m", "merged")
    assert sorted(one.content()[0]) == ["a1", "b1", "first"]


def test_what_is_written_under_a_fast_forward_is_refused_and_not_lost(
    one: Clone, other: Clone
) -> None:
    other.add("b1")
    other.commit()

    async def pull() -> None:
        async with FilesStore(one.store, clock=SystemClock()) as store:
            one.pull(other)  # git asks no driver about it
            pulled = (one.store / "journal/00000001.jsonl").read_bytes()
            for _ in range(3):
                with pytest.raises(StorageUnavailable, match="as git does"):
                    await store.append(LOG, [b"would be lost"])
        assert (one.store / "journal/00000001.jsonl").read_bytes() == pulled

    asyncio.run(pull())
    one.add("a1")
    assert one.content()[0] == ["first", "b1", "a1"]


def test_two_folders_merge_without_git(one: Clone, other: Clone) -> None:
    one.add("a1")
    other.add("b1")
    done = one.run("merge", str(one.store), str(other.store), "--json")
    assert done.data["lines_there"] == 1
    assert sorted(one.content()[0]) == ["a1", "b1", "first"]
    again = one.run("merge", str(one.store), str(other.store))
    assert again.out == "everything is there already\n"


@pytest.mark.parametrize("words", [("x",), ("a", "b", "c"), ("--install", "x", "y")])
def test_wrong_paths_are_refused_with_the_right_ones(one: Clone, words: tuple[str, ...]) -> None:
    done = one.run("merge", *words)
    assert done.code == 2
    assert "paths" in done.err
