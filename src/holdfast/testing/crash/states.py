"""Every disk that a cut at one moment could leave behind; where there are too many, a sample."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations, islice, product
from math import prod

from holdfast.testing.crash.fates import ABSENT, AnyFate, fates, whole
from holdfast.testing.crash.image import Content, Image
from holdfast.testing.crash.operations import Resize
from holdfast.testing.crash.pending import Data, NameChange, Names, Pending


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far to go.

    Up to `per_cut` states of a cut are tried: all of them if there are no more, else the ones in
    which a single operation is missing, alone or torn, and a seeded sample of the others. `tears`
    is the number of bytes of a write where it may be cut; shorter writes are cut at every byte.
    """

    per_cut: int = 4096
    tears: int = 64
    seed: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """One disk that a cut could leave behind."""

    digest: bytes
    scene: Scene
    choice: tuple[AnyFate, ...]

    def image(self) -> Image:
        """Return the disk, to be opened by a `RecordingDisk`."""
        return self.scene.image(self.choice)

    def explain(self) -> str:
        """Return what is missing or torn in it."""
        lost = [f"not on the disk: {each}" for each in self.scene.missing]
        lost += [
            f"{fate.what}: {each.operation}"
            for each, fate in zip(self.scene.open, self.choice, strict=True)
            if fate.what != "whole"
        ]
        return "; ".join(lost) or "everything is on the disk"


class Scene:
    """One choice of the names, and the changes of content that are open under it."""

    def __init__(
        self,
        names: Names,
        pending: Pending,
        missing: Sequence[object],
        settled: dict[int, AnyFate],
    ) -> None:
        reachable = names.reachable()
        self.missing = missing
        self.paths = sorted(reachable.nodes.items())
        self.folders = reachable.folders
        self.base = {node: pending.contents.get(node, Content()) for _, node in self.paths}
        self.changes = {
            node: [(each, settled.get(each.index)) for each in pending.data[node]]
            for _, node in self.paths
            if pending.data.get(node)
        }
        changes = [change for node in self.changes for change in self.changes[node]]
        self.open = [each for each, fate in changes if fate is None]
        self._fixed = {
            node: content.digest()
            for node, content in self.base.items()
            if node not in self.changes
        }
        self._head = repr(sorted(self.folders)).encode()

    def state(self, choice: tuple[AnyFate, ...]) -> State:
        """Return the state that a fate for each open change makes."""
        contents = self._contents(choice)
        parts = [self._head]
        for path, node in self.paths:
            parts += path.encode(), self._fixed.get(node) or contents[node].digest()
        return State(blake2b(b"\0".join(parts), digest_size=16).digest(), self, choice)

    def image(self, choice: tuple[AnyFate, ...]) -> Image:
        """Return the disk under these fates."""
        contents = {**self.base, **self._contents(choice)}
        return Image({path: contents[node] for path, node in self.paths}, self.folders)

    def _contents(self, choice: tuple[AnyFate, ...]) -> dict[int, Content]:
        chosen = iter(choice)
        found: dict[int, Content] = {}
        for node, changes in self.changes.items():
            content = self.base[node]
            for _, settled in changes:
                content = (settled or next(chosen)).apply(content)
            found[node] = content
        return found


class Cut:
    """All states of one moment."""

    def __init__(self, pending: Pending, bounds: Bounds, chance: random.Random) -> None:
        self._pending = pending
        self._bounds = bounds
        self._chance = chance
        self._fates: dict[int, Sequence[AnyFate]] = {}

    def states(self) -> Iterator[State]:
        """Give the states within the bounds."""
        if self._name_choices() <= self._bounds.per_cut:
            scenes = list(self._all_scenes())
            total = sum(prod(map(len, self._options(scene))) for scene in scenes)
            if total <= self._bounds.per_cut:
                for scene in scenes:
                    yield from map(scene.state, product(*self._options(scene)))
                return
        yield from islice(self._sample(), self._bounds.per_cut)

    def _sample(self) -> Iterator[State]:
        corners = list(islice(self._corner_scenes(), max(self._bounds.per_cut // 4, 4)))
        for scene in corners:
            yield scene.state(tuple(whole(each.operation) for each in scene.open))
            yield scene.state((ABSENT,) * len(scene.open))
        yield from islice(self._single_faults(corners[0]), self._bounds.per_cut // 4)
        while True:
            scene = self._random_scene()
            yield scene.state(tuple(map(self._random_fate, self._options(scene))))

    def _single_faults(self, scene: Scene) -> Iterator[State]:
        """Give the states in which one change is missing or torn, the others there or not."""
        options = self._options(scene)
        for at, mine in enumerate(options):
            for rest in (1, 0):
                others = [each[rest] for each in options]
                for fate in mine:
                    yield scene.state((*others[:at], fate, *others[at + 1 :]))

    def _random_fate(self, options: Sequence[AnyFate]) -> AnyFate:
        # Without weight the torn ones, of which there are many, would be nearly all.
        return options[self._chance.choice((0, 1, self._chance.randrange(len(options))))]

    def _options(self, scene: Scene) -> list[Sequence[AnyFate]]:
        return [self._fates_of(each) for each in scene.open]

    def _fates_of(self, data: Data) -> Sequence[AnyFate]:
        if data.forced:
            return (whole(data.operation),)
        found = self._fates.get(data.index)
        if found is None:
            found = fates(data.operation, tears=self._bounds.tears, chance=self._chance)
            self._fates[data.index] = found
        return found

    def _name_choices(self) -> int:
        if self._pending.model == "ordered":
            return len(self._pending.metadata) + 1
        return 1 << len(self._pending.name_changes())

    def _all_scenes(self) -> Iterator[Scene]:
        if self._pending.model == "ordered":
            yield from map(self._ordered_scene, range(len(self._pending.metadata), -1, -1))
            return
        changes = self._pending.name_changes()
        for kept in product((True, False), repeat=len(changes)):
            yield self._weak_scene(changes, kept)

    def _corner_scenes(self) -> Iterator[Scene]:
        """Give all names, none, and each one missing or there alone; or each prefix."""
        if self._pending.model == "ordered":
            yield from self._all_scenes()
            return
        changes = self._pending.name_changes()
        count = len(changes)
        yield self._weak_scene(changes, (True,) * count)
        yield self._weak_scene(changes, (False,) * count)
        for lonely in (False, True):
            for (at,) in combinations(range(count), 1):
                yield self._weak_scene(changes, [(each == at) is lonely for each in range(count)])

    def _random_scene(self) -> Scene:
        if self._pending.model == "ordered":
            return self._ordered_scene(self._chance.randint(0, len(self._pending.metadata)))
        changes = self._pending.name_changes()
        return self._weak_scene(changes, [self._chance.random() < 0.6 for _ in changes])

    def _weak_scene(self, changes: Sequence[NameChange], kept: Sequence[bool]) -> Scene:
        chosen = [each for each, is_kept in zip(changes, kept, strict=True) if is_kept]
        missing = [each for each, is_kept in zip(changes, kept, strict=True) if not is_kept]
        return Scene(self._pending.names.apply(chosen), self._pending, missing, self._forced())

    def _ordered_scene(self, length: int) -> Scene:
        """Return the scene in which the first changes of names and lengths are on the disk."""
        metadata = self._pending.metadata
        settled = self._forced()
        for at, (index, each) in enumerate(metadata):
            if isinstance(each, Resize):
                settled[index] = whole(each) if at < length else ABSENT
        done = [each for _, each in metadata[:length] if not isinstance(each, Resize)]
        missing = [each for _, each in metadata[length:]]
        return Scene(self._pending.names.apply(done), self._pending, missing, settled)

    def _forced(self) -> dict[int, AnyFate]:
        waiting = self._pending.data.values()
        forced = [each for changes in waiting for each in changes if each.forced]
        return {each.index: whole(each.operation) for each in forced}
