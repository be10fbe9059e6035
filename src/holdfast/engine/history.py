"""What a run's log adds up to: the task that it is, and what the engine remembers of its steps.

A fold: no clock, no I/O. What happens with every step is only counted, and added to the task when
somebody asks for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Self

from holdfast.engine.events import StepFinished, StepStarted, Tally, TimerSet
from holdfast.errors import RunConflict, RunNotFound, StorageCorrupt
from holdfast.tasks.chains import digest
from holdfast.tasks.events import Claimed, Created, Event, decode_event
from holdfast.tasks.fold import Fold, refusal
from holdfast.tasks.record import InputRequest, RunDetails, Snapshot, Task
from holdfast.tasks.state import TaskState

StepKey = tuple[str, int]

_QUIET = frozenset({StepFinished, StepStarted, TimerSet})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was given, wrapped so that the answer None differs from none."""

    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What a run was started as; `definition` is the SHA-256 of what its program interprets."""

    id: str
    at: int
    program: str
    name: str
    inputs: Mapping[str, object]
    definition: str
    origin: str
    timeout: float | None
    forked_from: str


class History:
    """The events of one run, folded. `tail` is the number of the last one."""

    __slots__ = ("_fold", "_uncounted", "birth_or_none", "claims", "started", "steps", "timers")

    def __init__(self, run_id: str) -> None:
        self._fold = Fold(run_id)
        self._uncounted: list[StepStarted | StepFinished | TimerSet] = []
        self.birth_or_none: Birth | None = None
        self.claims: list[Claimed] = []
        self.steps: dict[StepKey, StepFinished] = {}
        self.started: set[StepKey] = set()
        self.timers: dict[StepKey, int] = {}

    @classmethod
    def of(cls, fold: Fold, events: Iterable[Event]) -> Self:
        """Return what the events of a new log add up to, which `fold` has taken in."""
        history = cls("")
        history._fold = fold
        for event in events:
            history._remember(event)
        history._uncounted.clear()
        return history

    @property
    def tail(self) -> int:
        """The number of the last entry."""
        return self._fold.tail

    @property
    def prev(self) -> str:
        """What the next entry names as the one before it."""
        return self._fold.prev

    @property
    def task(self) -> Task:
        """The task that the run is.

        Raises:
            StorageCorrupt: the log does not begin with its creation.
        """
        return self.snapshot.task

    @property
    def snapshot(self) -> Snapshot:
        """The record of the task."""
        if self._uncounted and self._fold.task is not None:
            tally = Tally()
            tally.count(self._uncounted)
            self._fold.task, self._uncounted = tally.add_to(self._fold.task), []
        return self._fold.snapshot()

    @property
    def birth(self) -> Birth:
        """What the run was started as."""
        if self.birth_or_none is None:
            raise StorageCorrupt(
                "the log of a run does not begin with its creation",
                hint="restore the store from a backup",
            )
        return self.birth_or_none

    @property
    def state(self) -> TaskState:
        """Where the run stands."""
        return self.task.state

    @property
    def definition(self) -> str:
        """The SHA-256 of what the program interprets now."""
        return self._run.definition

    @property
    def holder(self) -> str | None:
        """The process that has taken the run, None if it was released."""
        lease = self.task.lease
        return lease.holder if lease else None

    @property
    def fence(self) -> int:
        """The number of the last claim."""
        return self.task.fence

    @property
    def requests(self) -> Mapping[str, InputRequest]:
        """Everything that the run asked for, by key."""
        return self.task.requests

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What was answered, by key."""
        requests = self.task.requests.items()
        return {key: Answer(each.answer) for key, each in requests if not each.is_open}

    @property
    def open_requests(self) -> Mapping[str, InputRequest]:
        """What the run asked for and nobody has answered."""
        return self.task.open_requests

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody wants the run to stop."""
        return self.task.cancel_requested

    @property
    def result(self) -> object:
        """What the program returned."""
        return self.task.result

    @property
    def error(self) -> Mapping[str, object] | None:
        """Why the run failed."""
        return self.task.error

    @property
    def worked_ms(self) -> int:
        """How long a process held the run."""
        return self.task.worked_ms

    @property
    def ended_at(self) -> int | None:
        """When the run ended, None if it has not."""
        return self.task.ended_at

    def place(self) -> tuple[int, str]:
        """Return where the next entry goes: the number before it, and what it names as that one.

        Raises:
            RunConflict: the run has ended.
        """
        fold = self._fold
        task = fold.task
        if task is not None and task.ended_at is not None:
            raise RunConflict(f"run {task.id} has ended ({task.state}) and never changes")
        return fold.tail, fold.prev

    def check(self, event: Event) -> None:
        """Raise `RunConflict` if the event may not follow."""
        self.place()
        task = self.task if self.birth_or_none else None
        if reason := refusal(task, event):
            raise RunConflict(f"run {task.id if task else ''} takes no {event.kind!r}: {reason}")

    def copy(self) -> History:
        """Return a history that can be extended without touching this one."""
        twin = copy(self)
        for name in ("_fold", "_uncounted", "claims", "started", "steps", "timers"):
            value: object = getattr(self, name)
            setattr(twin, name, copy(value))
        return twin

    def become(self, other: History) -> None:
        """Hold what another history holds, which nobody may use any more."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    def replay(self, entries: Iterable[bytes]) -> None:
        """Take in entries in the order of the log."""
        for data in entries:
            event, prev = decode_event(data)
            self.take(event, data, prev)

    def take(self, event: Event, data: bytes, prev: str | None = None) -> None:
        """Take in the next event of the log, which is stored as `data` and follows `prev`.

        Without `prev` it follows all that is there. An event that is not allowed changes nothing:
        it was superseded when two clones were merged.
        """
        fold = self._fold
        if type(event) in _QUIET and fold.task is not None and fold.task.ended_at is None:
            if prev is None:
                fold.tail += 1
                fold.heads = (digest(data),)
            else:
                fold.chain(data, prev)
            self._remember(event)
            return
        if fold.task is not None:
            _ = self.snapshot  # what was only remembered came before
        _, superseded = fold.take(data)
        if superseded is not None:
            return
        self._remember(event)

    def _remember(self, event: Event) -> None:
        if type(event) is StepFinished:
            self.steps[event.path, event.visit] = event
        elif type(event) is StepStarted:
            self.started.add((event.path, event.visit))
        elif type(event) is TimerSet:
            self.timers[event.path, event.visit] = event.until
        else:
            if type(event) is Claimed:
                self.claims.append(event)
            elif type(event) is Created:
                self.birth_or_none = _birth(event)
            return
        self._uncounted.append(event)

    @property
    def _run(self) -> RunDetails:
        run = self.task.run
        assert run is not None, "a history is that of a run"
        return run


def _birth(event: Created) -> Birth:
    """Return what a run was started as.

    Raises:
        RunNotFound: it is a task that no engine runs.
    """
    if event.run is None:
        raise RunNotFound(
            f"{event.id} is a task and not a run of a workflow",
            hint=f"`holdfast task show {event.id[:8]}` shows it",
        )
    run = RunDetails(**event.run)  # pyright: ignore[reportArgumentType]
    return Birth(
        id=event.id,
        at=event.at,
        program=run.program,
        name=event.name,
        inputs=run.inputs,
        definition=run.definition,
        origin=run.origin,
        timeout=run.timeout,
        forked_from=run.forked_from,
    )
