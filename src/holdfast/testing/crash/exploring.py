"""Run a program once, and check what is left after a power cut at any moment of it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from holdfast.storage.files.disk import Disk
from holdfast.testing.crash.image import Image
from holdfast.testing.crash.pending import Model, Pending
from holdfast.testing.crash.recording import ALWAYS, RecordingDisk
from holdfast.testing.crash.states import Bounds, Cut, State

Values = frozenset[Hashable]
Recover = Callable[[Disk], Collection[Hashable]]
"""Open what is on a disk and return every value that it holds, or raise if it cannot be read.

A value that was replaced counts as held: of a record whose newest value is 5, return 1 to 5.
"""

Kind = Literal["lost", "invented", "unreadable"]


class Ledger:
    """What a program tells about its writes. `life` counts the cuts that it lived through."""

    def __init__(self, disk: RecordingDisk, *, life: int = 0, seen: Values = frozenset()) -> None:
        self.life = life
        self._disk = disk
        self._turn = threading.Lock()
        self._attempted: list[tuple[int, Hashable]] = [(0, value) for value in seen]
        self._acknowledged: list[tuple[int, Hashable]] = [(0, value) for value in seen]
        self._known = set(seen)

    def attempt(self, value: Hashable) -> None:
        """Say that a write of `value` begins: it may be on the disk from now on."""
        with self._turn:
            self._known.add(value)
            self._attempted.append((len(self._disk.operations), value))

    def acknowledge(self, value: Hashable) -> None:
        """Say that the write of `value` was acknowledged: no cut may lose it from now on."""
        with self._turn:
            assert value in self._known, f"{value!r} is acknowledged and was never attempted"
            self._acknowledged.append((len(self._disk.operations), value))

    def attempted(self, cut: int) -> Values:
        """Return what had been attempted when so many operations were done."""
        return frozenset(value for at, value in self._attempted if at <= cut)

    def acknowledged(self, cut: int | None = None) -> Values:
        """Return what had been acknowledged when so many operations were done, or at the end."""
        return frozenset(value for at, value in self._acknowledged if cut is None or at <= cut)


Program = Callable[[Disk, Ledger], object]


@dataclass(frozen=True, slots=True)
class Fault:
    """A state that breaks a promise."""

    kind: Kind
    cut: int
    story: str
    values: Values
    image: Image

    def __str__(self) -> str:
        named = ", ".join(sorted(map(repr, self.values)))
        return (
            f"{self.kind} {named} by a cut {self.story}" if named else f"{self.kind}: {self.story}"
        )


@dataclass(slots=True)
class Exploration:
    """What an exploration saw. The numbers count states, but `images` and `acknowledged`."""

    model: Model
    states: int = 0
    images: int = 0
    acknowledged: int = 0
    lost: int = 0
    invented: int = 0
    unreadable: int = 0
    faults: list[Fault] = field(default_factory=list[Fault])

    def require_clean(self) -> None:
        """Raise an AssertionError that tells of the first faults, if there was one."""
        broken = self.lost + self.invented + self.unreadable
        stories = "\n".join(f"- {fault}" for fault in self.faults)
        assert not broken, f"{broken} of {self.states} states break a promise:\n{stories}"

    def figures(self) -> dict[str, int]:
        """Return the numbers by name."""
        names = "states", "images", "acknowledged", "lost", "invented", "unreadable"
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What opening an image gave."""

    values: Values
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Moment:
    """When the power is cut, and what the program had told by then."""

    cut: int
    story: str
    acknowledged: Values
    attempted: Values


_TOLD_FAULTS = 3


class Examiner:
    """Look at the cuts of programs that ran, and count what they leave behind."""

    def __init__(self, recover: Recover, model: Model, bounds: Bounds) -> None:
        self._recover = recover
        self._bounds = bounds
        self._chance = random.Random(bounds.seed)
        self._outcomes: dict[bytes, _Outcome] = {}
        self._shared: dict[Values, Values] = {}
        self.found = Exploration(model)

    def examine(
        self, disk: RecordingDisk, ledger: Ledger, *, since: int = 0, keep: int = 0
    ) -> list[tuple[Image, Values]]:
        """Look at every cut behind operation `since`; return up to `keep` sound disks."""
        survivors: list[tuple[Image, Values]] = []
        healthy = 0
        for moment, state in self._states(disk, ledger, since):
            values = self._judge(state, moment)
            # Reservoir sampling: each sound state has the same chance to be lived on.
            if values is not None and keep:
                healthy += 1
                at = healthy - 1 if healthy <= keep else self._chance.randrange(healthy)
                if at < keep:
                    survivors[at : at + 1] = [(state.image(), values)]
        return survivors

    def note_stuck(self, image: Image, error: Exception) -> None:
        """Count a program that cannot go on behind a cut."""
        self.found.unreadable += 1
        story = f"behind a cut the program cannot go on: {error!r}"
        self.found.faults.append(Fault("unreadable", 0, story, frozenset(), image))

    def _states(
        self, disk: RecordingDisk, ledger: Ledger, since: int
    ) -> Iterator[tuple[_Moment, State]]:
        pending = Pending(disk.start, self.found.model, ALWAYS)
        cut = Cut(pending, self._bounds, self._chance)
        total = len(disk.operations)
        for number in range(total + 1):
            story = f"behind operation {number} of {total}"
            if number:
                pending.add(disk.operations[number - 1])
                story += f" ({disk.operations[number - 1]})"
            if number < since:
                continue
            told = ledger.acknowledged(number), ledger.attempted(number)
            moment = _Moment(number, story, *told)
            for state in cut.states():
                yield moment, state

    def _judge(self, state: State, moment: _Moment) -> Values | None:
        """Count one state; return what it holds, or None if it breaks a promise."""
        self.found.states += 1
        outcome = self._outcomes.get(state.digest)
        if outcome is None:
            self.found.images += 1
            outcome = self._outcomes[state.digest] = self._open(state.image())
        if outcome.error:
            return self._note("unreadable", state, moment, frozenset({outcome.error}))
        if lost := moment.acknowledged - outcome.values:
            return self._note("lost", state, moment, lost)
        if invented := outcome.values - moment.attempted:
            return self._note("invented", state, moment, invented)
        return outcome.values

    def _open(self, image: Image) -> _Outcome:
        try:
            values = frozenset(self._recover(RecordingDisk(image)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the image cannot be read
            return _Outcome(frozenset(), f"{type(error).__name__}: {error}")
        return _Outcome(self._shared.setdefault(values, values))

    def _note(self, kind: Kind, state: State, moment: _Moment, values: Values) -> None:
        found = self.found
        setattr(found, kind, getattr(found, kind) + 1)
        if len(found.faults) < _TOLD_FAULTS:
            story = f"{moment.story}, with {state.explain()}"
            found.faults.append(Fault(kind, moment.cut, story, values, state.image()))


def explore(
    program: Program,
    recover: Recover,
    *,
    model: Model = "weak",
    bounds: Bounds = Bounds(),  # noqa: B008 - it cannot change
    lives: int = 0,
) -> Exploration:
    """Return what power cuts at every moment of `program` leave behind.

    The program runs once, on a `RecordingDisk`, and tells a `Ledger` when a write begins and when
    it was acknowledged. Then `recover` opens every disk that a cut could have left (equal ones
    once): all that was acknowledged before the cut must be there, and nothing that was never
    attempted. `lives` of the sound disks, picked by chance, see the program go on and be cut
    again; what `recover` found on them must survive that too::

        def program(disk, ledger):
            ledger.attempt(1)
            write_durably(disk, 1)
            ledger.acknowledge(1)

        explore(program, recover).require_clean()
    """
    examiner = Examiner(recover, model, bounds)
    disk = RecordingDisk()
    ledger = Ledger(disk)
    program(disk, ledger)
    examiner.found.acknowledged += len(ledger.acknowledged())
    for image, seen in examiner.examine(disk, ledger, keep=lives):
        _live_on(program, examiner, image, seen)
    return examiner.found


def _live_on(program: Program, examiner: Examiner, image: Image, seen: Values) -> None:
    """Let the program go on where a cut left the disk, and look at every cut of that."""
    disk = RecordingDisk(image)
    ledger = Ledger(disk, life=1, seen=seen)
    try:
        program(disk, ledger)
    except Exception as error:  # noqa: BLE001 - the disk is sound: nothing may come out
        examiner.note_stuck(image, error)
    examiner.found.acknowledged += len(ledger.acknowledged() - seen)
    examiner.examine(disk, ledger)
