"""Of thousands of random hand edits none is lost, and none is ignored silently."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from holdfast.storage.faces import Codec, JsonCodec, MarkdownCodec, Report
from tests.storage.faces_desk import Desk

Fields = dict[str, Any]
NAMES = tuple("abcdefgh")
FIELDS = ("title", "state", "text", "note")


@dataclass
class _Edit:
    """What a person did to one file: `wanted` is what he wanted to change, from `base`."""

    name: str
    base: Fields | None = None
    file: Fields | None = None
    tokens: list[str] = field(default_factory=list)
    outcomes: tuple[str, ...] = ("applied", "merged", "conflict")
    bytes: bytes = b""


class _Person:
    """Edit files at random, with words that are used only once."""

    def __init__(self, desk: Desk, chance: random.Random) -> None:
        self.desk = desk
        self.chance = chance
        self.words = (f"word{number}" for number in count())
        self.opened: dict[str, list[str]] = {name: [] for name in NAMES}

    def open(self) -> None:
        """Open all files, as editors that keep them open do; those of two rounds are kept."""
        for name, texts in self.opened.items():
            self.opened[name] = [*texts[-2:], self.desk.path(name).read_text()]

    def edit(self, name: str) -> _Edit:
        text = self.desk.path(name).read_text()
        kinds: list[Callable[[str, str], _Edit]] = [self._change] * 5
        kinds += [self._stale, self._break, self._remove]
        return self.chance.choice(kinds)(name, text)

    def _change(self, name: str, text: str) -> _Edit:
        shown = dict(self.desk.codec.parse(text))
        base = {key: value for key, value in shown.items() if key != "_face"}
        edit = _Edit(name, base)
        for each in self.chance.sample(FIELDS, self.chance.randint(1, 3)):
            if each in shown and each != "text" and self.chance.random() < 0.2:
                del shown[each]
            else:
                word = next(self.words)
                edit.tokens.append(word)
                shown[each] = self.chance.choice([word, f"{word}\n---\n{word}", {"in": [word]}])
        edit.file = {key: value for key, value in shown.items() if key != "_face"}
        self._save(name, self.desk.codec.render(shown))
        return edit

    def _stale(self, name: str, text: str) -> _Edit:
        """Save a text that was opened some faces ago."""
        return self._change(name, self.chance.choice(self.opened[name]))

    def _break(self, name: str, text: str) -> _Edit:
        word = next(self.words)
        broken: list[bytes] = [
            word.encode(),
            b"\xff" + text.encode() + word.encode(),
            text[: self.chance.randint(0, 8)].encode(),
            f"<<<<<<< HEAD {word}\n{text}".encode(),
            f'---\n"x": {word}\n---\n'.encode(),
            f'{{"x": 1, "x": "{word}"}}'.encode(),
            f'{{"x": NaN, "y": "{word}"}}'.encode(),
            b"",
        ]
        data = self.chance.choice(broken)
        self.desk.path(name).write_bytes(data)
        return _Edit(name, outcomes=("quarantined",), bytes=data)

    def _remove(self, name: str, text: str) -> _Edit:
        self.desk.path(name).unlink()
        return _Edit(name, outcomes=("restored",))

    def _save(self, name: str, text: str) -> None:
        if self.chance.random() < 0.5:
            self.desk.path(name).write_text(text)
        else:
            half_saved = self.desk.folder / f".{name}.swp"
            half_saved.write_text(text)
            half_saved.rename(self.desk.path(name))


class _Rounds:
    """Let a person edit while the records change too, and check after each round."""

    def __init__(self, desk: Desk, chance: random.Random) -> None:
        self.desk = desk
        self.chance = chance
        self.person = _Person(desk, chance)
        self.edits = 0
        self.clashes = 0
        self.taken = 0
        self.kept = 0

    async def run(self, edits: int) -> None:
        for name in NAMES:
            await self.desk.put(name, **dict.fromkeys(FIELDS, "old"))
        while self.edits < edits:
            await self.desk.faces.write()
            self.person.open()
            await self._round()
            self.desk.clock.advance(2)

    async def _round(self) -> None:
        if self.chance.random() < 0.5:
            await self._change_records()
            await self.desk.faces.write()
        done = [self.person.edit(name) for name in self.chance.sample(NAMES, 4)]
        if self.chance.random() < 0.7:
            await self._change_records()
        if self.chance.random() < 0.5:
            await self.desk.faces.write()  # restores what was removed, touches no edit
        records = {name: await self.desk.get(name) for name in NAMES}
        report = await self.desk.faces.take_in()
        for edit in done:
            await self._check(edit, records[edit.name], report)
        names = {each.path for each in report.findings}
        assert names <= {self.desk.path(edit.name) for edit in done}
        self.kept += sum(bool(each.kept) for each in report.findings)
        self.edits += len(done)

    async def _change_records(self) -> None:
        for name in self.chance.sample(NAMES, 4):
            fields = await self.desk.get(name)
            for each in self.chance.sample(FIELDS, self.chance.randint(1, 2)):
                fields[each] = next(self.person.words)
            await self.desk.put(name, **fields)

    async def _check(self, edit: _Edit, before: Fields, report: Report) -> None:
        path = self.desk.path(edit.name)
        findings = [each for each in report.findings if each.path == path]
        after = await self.desk.get(edit.name)
        if edit.outcomes == ("restored",):
            assert [each.outcome.value for each in findings] in (["restored"], [])
        else:
            (finding,) = findings
            assert finding.outcome.value in edit.outcomes
            if edit.bytes or edit.outcomes == ("quarantined",):
                assert finding.kept is not None
                assert finding.kept.read_bytes() == edit.bytes
        expected, clashes = _expect(edit, before)
        assert after == expected
        assert self.desk.shown(edit.name) == after
        if edit.file is not None:
            self._check_clashes(edit, clashes, findings[0], after)

    def _check_clashes(self, edit: _Edit, clashes: set[str], finding: Any, after: Fields) -> None:
        assert {each.path[0] for each in finding.clashes} == clashes
        assert (finding.kept is not None) == bool(clashes)
        kept = finding.kept.read_text() if finding.kept else ""
        for token in edit.tokens:
            assert token in json.dumps(after) or token in kept
        self.clashes += len(clashes)
        self.taken += not clashes


def _expect(edit: _Edit, before: Fields) -> tuple[Fields, set[str]]:
    """Say by the plain rule what the record must be, and which fields clash."""
    if edit.file is None or edit.base is None:
        return before, set()
    expected, clashes = dict(before), set[str]()
    for name in FIELDS:
        base, file, record = (each.get(name, ...) for each in (edit.base, edit.file, before))
        if file in (base, record):
            continue
        if record != base:
            clashes.add(name)
        elif file is ...:
            del expected[name]
        else:
            expected[name] = file
    return expected, clashes


_CODECS = [JsonCodec(), MarkdownCodec(body="text", first=("title",))]
_both = pytest.mark.parametrize("codec", _CODECS, ids=["json", "markdown"])


@pytest.mark.promise("hand-edit-kept")
@_both
async def test_hundreds_of_random_edits_are_all_accounted_for(tmp_path: Path, codec: Codec) -> None:
    await _edit_at_random(tmp_path, codec, edits=400, seed=1)


@pytest.mark.torture
@pytest.mark.timeout(900)
@_both
async def test_ten_thousand_random_edits_are_all_accounted_for(
    tmp_path: Path, codec: Codec
) -> None:
    await _edit_at_random(tmp_path, codec, edits=10_000, seed=2)


async def _edit_at_random(folder: Path, codec: Codec, *, edits: int, seed: int) -> None:
    desk = Desk(folder / "notes", codec=codec)
    async with desk.store:
        rounds = _Rounds(desk, random.Random(seed))
        await rounds.run(edits)
        assert rounds.edits >= edits
        assert len(desk.conflicts()) == rounds.kept
        # The test is worth something only if both happen often.
        assert rounds.clashes > edits // 20
        assert rounds.taken > edits // 5
