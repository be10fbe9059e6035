"""Random histories of clones, merged at random: nothing lost, nothing twice, all ends alike."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.storage.files import journal
from holdfast.storage.files.merging import joining
from holdfast.storage.seam import ANY, Append, Delete, Key, Operation, Put
from tests.storage.files_merging import Clone, Entries, is_within

CLONES = 3
LOGS: list[Key] = [("log", "a"), ("log", "b")]
KEYS: list[Key] = [("k", "1"), ("k", "2"), ("other",)]

clones = st.integers(0, CLONES - 1)
batches = st.tuples(
    st.lists(st.sampled_from(LOGS), unique=True),
    st.lists(
        st.tuples(st.sampled_from(KEYS), st.sampled_from("pde")), unique_by=lambda each: each[0]
    ),
).filter(any)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), clones, batches, st.integers(-3, 5)),
        st.tuples(st.just("erase"), clones, st.sampled_from(LOGS), st.integers(-3, 5)),
        st.tuples(st.just("merge"), clones, clones),
    ),
    max_size=10,
)
searched = settings(max_examples=20, deadline=None)


@dataclass(frozen=True)
class Happening:
    """Something that was done to a log, and what whoever did it knew. An erasure has no entry."""

    log: Key
    entry: bytes | None
    knew: frozenset[int]


@dataclass
class World:
    """Clones of one store, all that was ever written in any of them, and what each knows of that."""

    root: Path
    clones: list[Clone] = field(default_factory=list[Clone])
    happened: list[Happening] = field(default_factory=list[Happening])
    known: dict[Path, set[int]] = field(default_factory=dict[Path, set[int]])
    values: dict[Key, set[bytes]] = field(default_factory=dict[Key, set[bytes]])
    erasures: dict[tuple[Key, int, int], int] = field(default_factory=dict)
    count: int = 0

    async def begin(self) -> None:
        first = Clone(self.root / "0")
        await self.write(first, (LOGS[:1], [(KEYS[0], "p")]))
        self.clones = [first, *(self.copy(first, str(n)) for n in range(1, CLONES))]

    def copy(self, clone: Clone, name: str) -> Clone:
        copied = clone.copy_to(self.root / name)
        self.known[copied.path] = set(self.known[clone.path])
        return copied

    def expected(self, clone: Clone) -> set[tuple[Key, bytes]]:
        """Return the entries that what a clone knows comes to, whatever the order of the merges.

        An erasure removes what its writer knew, unless an entry is known that was added to the log
        by somebody who did not know the erasure, and that its writer did not know.
        """
        known = {number: self.happened[number] for number in self.known[clone.path]}
        gone: set[int] = set()
        for number, erasure in known.items():
            if erasure.entry is None and not any(
                each.log == erasure.log and other not in erasure.knew and number not in each.knew
                for other, each in known.items()
                if each.entry is not None
            ):
                gone |= {each for each in erasure.knew if self.happened[each].log == erasure.log}
        left = (each for number, each in known.items() if number not in gone)
        return {(each.log, each.entry) for each in left if each.entry is not None}

    async def erase(self, clone: Clone, log: Key) -> None:
        async with clone.store() as store:
            entries = await store.read(log)
            if entries:
                last = entries[-1].number
                assert await store.erase(log, expected=last) is None
                self._note_erasure(clone, log, (log, last, clone.clock.now_ms()))

    def _note_erasure(self, clone: Clone, log: Key, line: tuple[Key, int, int]) -> None:
        """Note an erasure. Two that are one line of the journal, to the millisecond, are one."""
        same = self.erasures.get(line)
        if same is None or self.happened[same].knew != self.known[clone.path]:
            self.erasures[line] = len(self.happened)
            self._note(clone, log, None)
        else:
            self.known[clone.path].add(same)

    def _note(self, clone: Clone, log: Key, entry: bytes | None) -> None:
        known = self.known.setdefault(clone.path, set())
        self.happened.append(Happening(log, entry, frozenset(known)))
        known.add(len(self.happened) - 1)

    async def write(self, clone: Clone, batch: tuple[list[Key], list[tuple[Key, str]]]) -> None:
        operations: list[Operation] = [self._append(clone, log) for log in batch[0]]
        operations += [self._change(key, kind, clone) for key, kind in batch[1]]
        async with clone.store() as store:
            assert await store.batch(operations) is None

    async def run(self, steps: list[tuple[Any, ...]]) -> None:
        for kind, number, what, *moved in steps:
            clone = self.clones[int(number)]
            if kind == "write":
                clone.clock.advance(moved[0] / 1000)  # a clock may also be set back
                await self.write(clone, what)
            elif kind == "erase":
                clone.clock.advance(moved[0] / 1000)
                await self.erase(clone, what)
            elif what != number:
                await self.merge(clone, self.clones[int(what)])

    async def merge(self, clone: Clone, other: Clone) -> None:
        """Merge, and check what must hold for every merge."""
        before, records = await clone.entries(), await clone.records()
        there = await other.entries()
        clone.take(other)
        self.known[clone.path] |= self.known[other.path]
        assert clone.is_clean()
        merged, now = await clone.entries(), await clone.records()
        left = content(merged)
        for side in (before, there):
            for log, entries in side.items():
                kept = [each for each in entries if (log, each) in left]
                assert is_within(kept, merged.get(log, []))
        assert left == self.expected(clone)
        for key, (value, version) in records.items():
            changed = now.get(key)
            assert changed is None or changed[1] >= version
            assert changed is None or changed[1] > version or changed[0] == value

    async def merge_all(self) -> None:
        """Let everybody merge with everybody until all are alike."""
        for _ in range(2):
            for clone in self.clones:
                for other in self.clones:
                    if other is not clone:
                        await self.merge(clone, other)

    def _append(self, clone: Clone, log: Key) -> Append:
        self.count += 1
        value = b"entry %d" % self.count
        self._note(clone, log, value)
        return Append(log=log, entries=[value])

    def _change(self, key: Key, kind: str, clone: Clone) -> Operation:
        self.count += 1
        if kind == "d":
            return Delete(key=key, expected=ANY)
        value = b"value %d \xff" % self.count
        self.values.setdefault(key, set()).add(value)
        expires_at = clone.clock.now_ms() + 10_000_000 if kind == "e" else None
        return Put(key=key, value=value, expected=ANY, expires_at=expires_at)


def content(entries: Entries) -> set[tuple[Key, bytes]]:
    found = [(log, entry) for log, values in entries.items() for entry in values]
    assert len(found) == len(set(found)), "an entry is there twice"
    return set(found)


def in_world(test: Callable[[World], Any]) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        asyncio.run(_in_world(World(root), test))
    finally:
        shutil.rmtree(root)


async def _in_world(world: World, test: Callable[[World], Any]) -> None:
    await world.begin()
    await test(world)


@pytest.fixture(params=[400, 16 << 20], ids=["many segments", "one segment"], autouse=True)
def segments(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", request.param)


async def check_all_ends_alike(world: World) -> None:
    await world.merge_all()
    journals = [clone.journal() for clone in world.clones]
    assert all(each == journals[0] for each in journals)
    for clone in world.clones:
        assert len(world.known[clone.path]) == len(world.happened)
        assert content(await clone.entries()) == world.expected(clone)


@pytest.mark.promise("clones-merge")
@given(steps=steps)
@searched
def test_whoever_merges_with_whom_all_clones_end_alike(steps: list[tuple[Any, ...]]) -> None:
    async def test(world: World) -> None:
        await world.run(steps)
        await check_all_ends_alike(world)

    in_world(test)


@given(steps=steps)
@searched
def test_either_side_may_merge(steps: list[tuple[Any, ...]]) -> None:
    async def test(world: World) -> None:
        await world.run(steps)
        one, other, _ = world.clones
        third = world.copy(one, "copy")
        one.take(other)
        other.take(third)
        assert one.journal() == other.journal()

    in_world(test)


@given(steps=steps)
@searched
def test_three_clones_may_merge_in_any_order(steps: list[tuple[Any, ...]]) -> None:
    async def test(world: World) -> None:
        await world.run(steps)
        results: list[tuple[dict[Key, bytes], Entries]] = []
        for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            first, second, third = (world.clones[number] for number in order)
            merged = world.copy(first, "".join(map(str, order)))
            await world.merge(merged, second)
            await world.merge(merged, third)
            records = await merged.records()
            results.append(
                ({key: value for key, (value, _) in records.items()}, await merged.entries())
            )
        assert results[0] == results[1] == results[2]

    in_world(test)


@given(steps=steps)
@searched
def test_a_value_that_both_changed_is_there_or_kept_aside(steps: list[tuple[Any, ...]]) -> None:
    async def test(world: World) -> None:
        await world.run(steps)
        one, other, _ = world.clones
        for clone in (one, other):
            await world.write(clone, ([], [(KEYS[0], "p")]))
        here, there = (await one.records())[KEYS[0]][0], (await other.records())[KEYS[0]][0]
        one.take(other)
        left = (await one.records())[KEYS[0]][0]
        assert {left, *(await one.lost())[KEYS[0]]} >= {here, there}

    in_world(test)


def test_a_merge_that_drops_a_line_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = joining.in_order

    def dropping(here: Any, there: Any) -> Any:
        return real(here, there)[:-1]

    monkeypatch.setattr(joining, "in_order", dropping)

    async def test(world: World) -> None:
        await world.write(world.clones[0], (LOGS, []))
        await world.write(world.clones[1], (LOGS, []))
        await check_all_ends_alike(world)

    with pytest.raises(AssertionError):
        in_world(test)
