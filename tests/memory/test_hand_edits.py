"""Whatever people do to the files and programs to the entries: every word typed is somewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.clock import SystemClock
from holdfast.memory import State
from holdfast.storage.memory import MemoryStore
from holdfast.testing.clock import ManualClock
from tests.memory.desk import Desk

DAY_MS = 86_400_000
STEP = st.tuples(
    st.sampled_from(
        ["write", "edit", "edit", "retitle", "break", "new", "wrong", "remove", "supersede",
         "forget", "take_in", "take_in", "write_files", "reopen"]
    ),
    st.integers(0, 9),
)  # fmt: skip


@pytest.mark.promise("hand-edit-kept")
@settings(max_examples=80, deadline=None)
@given(steps=st.lists(STEP, min_size=4, max_size=20))
def test_no_word_that_was_typed_is_lost(steps: Sequence[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        anyio.run(_live_through, steps, Path(folder))


async def _live_through(steps: Sequence[tuple[str, int]], place: Path) -> None:
    clock = ManualClock(SystemClock().now_ms() + DAY_MS)  # no file counts as half saved
    async with MemoryStore(clock=clock) as store:
        person = _Person(Desk(store, clock, place))
        await person.desk.write("first word0")
        await person.desk.memories.write_files()
        for number, (verb, which) in enumerate(steps, 1):
            await person.step(verb, which, f"word{number}x")
            clock.advance(1)
        for _ in range(2):  # what was written beside an edit is seen by the second look
            await person.desk.memories.take_in()
            await person.desk.memories.write_files()
        report = await person.desk.memories.take_in()
        assert report is not None
        assert report.findings == ()
        known = await person.everything()
        assert [word for word in person.typed if word not in known] == []
        live = await person.desk.memories.list()
        assert len(person.desk.files()) == len(live)
        for each in live:
            assert each.entry.text in person.desk.path_of(each.entry).read_text()
            assert each.entry.text in await person.desk.found(each.entry.text, limit=50)
        await person.desk.memories.__aexit__(None, None, None)


class _Person:
    """Somebody who edits files at any time, and remembers every word that they typed."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.typed: list[str] = []

    async def step(self, verb: str, which: int, word: str) -> None:
        memories = self.desk.memories
        if verb == "write":
            await self.desk.write(f"entry {word}", key=f"k{which % 3}")
            self.typed.append(word)
        elif verb == "take_in":
            await memories.take_in()
        elif verb == "write_files":
            await memories.write_files()
        elif verb == "reopen":
            self.desk.memories = self.desk.open()
        elif verb == "new":
            text = f'---\nkey: "k{which % 3}"\n---\n\nnew {word}\n'
            self._save(self.desk.folder / f"note{which}.md", text, word)
        elif verb in ("supersede", "forget"):
            await self._end(verb, which, word)
        elif paths := sorted(self.desk.folder.glob("project,*.md")):
            self._change(paths[which % len(paths)], verb, word)

    async def _end(self, verb: str, which: int, word: str) -> None:
        live = await self.desk.memories.list()
        if not live:
            return
        entry = live[which % len(live)].entry
        if verb == "forget":
            await self.desk.memories.forget(entry.id)
        else:
            await self.desk.memories.supersede(entry.id, f"successor {word}")
            self.typed.append(word)

    def _change(self, path: Path, verb: str, word: str) -> None:
        """Edit a file as it is, or remove it: what was typed in it before goes with it."""
        text = path.read_text()
        changed = {
            "edit": f"{text.rstrip()} {word}\n",
            "retitle": text.replace("---\n", f'---\ntitle: "{word}"\n', 1),
            "break": f"{word} {text}",
            "wrong": text.replace("---\n", f'---\ncolour: "{word}"\n', 1),
        }
        if verb != "remove":
            self._save(path, changed[verb], word)
        elif not any(each in text for each in self.typed):
            path.unlink()

    def _save(self, path: Path, text: str, word: str) -> None:
        if path.exists() and path.name.startswith("note"):
            return  # it would replace what was typed there
        path.write_text(text)
        self.typed.append(word)

    async def everything(self) -> str:
        """Return all that the memory holds: histories, and the files that were kept."""
        known: list[Any] = []
        for each in await self.desk.memories.list(states=list(State)):
            for event in await self.desk.memories.history(each.entry.id):
                known += [event.entry.text, event.entry.title]
        conflicts = self.desk.folder / "conflicts"
        known += [path.read_text() for path in conflicts.glob("*") if path.is_file()]
        return "\n".join(known)
