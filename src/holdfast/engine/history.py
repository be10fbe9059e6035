"""What a run's log adds up to. A fold: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import assert_never

from holdfast.engine.events import (
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    Created,
    Event,
    Failed,
    InputAnswered,
    InputRequested,
    Meta,
    Redefined,
    Released,
    StepFinished,
    StepStarted,
    TimerSet,
)
from holdfast.errors import RunConflict, StorageCorrupt
from holdfast.tasks.state import TaskState, advance

StepKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was given, wrapped so that the answer None differs from none."""

    value: object


class History:
    """The events of one run, folded. `tail` is the number of the last one."""

    __slots__ = (
        "answers",
        "cancel_requested",
        "claims",
        "created",
        "definition",
        "ended_at",
        "error",
        "fence",
        "holder",
        "requests",
        "result",
        "started",
        "state",
        "steps",
        "tail",
        "timers",
        "updated_at",
        "worked_ms",
        "working_since",
    )

    def __init__(self) -> None:
        self.tail = 0
        self.created: Created | None = None
        self.state = TaskState.PENDING
        self.definition = ""
        self.holder: str | None = None
        self.fence = 0
        self.claims: list[Claimed] = []
        self.steps: dict[StepKey, StepFinished] = {}
        self.started: set[StepKey] = set()
        self.timers: dict[StepKey, int] = {}
        self.requests: dict[str, InputRequested] = {}
        self.answers: dict[str, Answer] = {}
        self.cancel_requested = False
        self.result: object = None
        self.error: Meta | None = None
        self.updated_at = 0
        self.ended_at: int | None = None
        self.worked_ms = 0
        self.working_since: int | None = None

    @property
    def birth(self) -> Created:
        """Return the event that made the run."""
        if self.created is None:
            raise StorageCorrupt(
                "the log of a run does not begin with its creation",
                hint="restore the store from a backup",
            )
        return self.created

    @property
    def open_requests(self) -> Mapping[str, InputRequested]:
        """Return what the run asked for and nobody has answered."""
        return {key: ask for key, ask in self.requests.items() if key not in self.answers}

    def check_open(self) -> None:
        """Raise `RunConflict` if the run has ended."""
        if self.ended_at is not None:
            raise RunConflict(f"run {self.birth.id} has ended ({self.state}) and never changes")

    def copy(self) -> History:
        """Return a history that can be extended without touching this one."""
        twin = History()
        for name in self.__slots__:
            value: object = getattr(self, name)
            setattr(twin, name, copy(value))
        return twin

    def extend(self, events: Iterable[Event]) -> None:
        """Apply events in the order of the log."""
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:  # noqa: C901, PLR0912 - one case an event, each a line or two
        """Apply the next event of the log.

        Raises:
            RunConflict: the run has ended, or its state does not allow the event.
        """
        self.check_open()
        self.tail += 1
        if isinstance(event, Claimed):
            self.working_since = None  # whoever held the run before may have died long ago
        self._pass_time(event.at)
        match event:
            case StepFinished():
                self.steps[event.path, event.visit] = event
            case StepStarted():
                self.started.add((event.path, event.visit))
            case TimerSet():
                self.timers[event.path, event.visit] = event.until
            case Created():
                self.created, self.definition = event, event.definition
            case Redefined():
                self.definition = event.definition
            case Claimed():
                self._claim(event)
            case Released():
                self.holder = self.working_since = None
            case InputRequested():
                self.requests[event.key] = event
                self.state = advance(self.state, TaskState.INPUT_REQUIRED)
            case InputAnswered():
                self.answers[event.key] = Answer(event.answer)
                self._resume_if_answered()
            case CancelRequested():
                self.cancel_requested = True
            case Completed():
                self.result = event.result
                self._end(TaskState.COMPLETED, event.at)
            case Failed():
                self.error = event.error
                self._end(TaskState.FAILED, event.at)
            case Cancelled():
                self._end(TaskState.CANCELLED, event.at)
            case _:
                assert_never(event)

    def _claim(self, event: Claimed) -> None:
        self.claims.append(event)
        self.holder, self.fence, self.working_since = event.holder, event.fence, event.at
        if not self.open_requests:
            self.state = advance(self.state, TaskState.WORKING)

    def _resume_if_answered(self) -> None:
        if self.state is TaskState.INPUT_REQUIRED and not self.open_requests:
            self.state = advance(self.state, TaskState.WORKING)

    def _end(self, state: TaskState, at: int) -> None:
        self.state = advance(self.state, state)
        self.holder, self.ended_at, self.working_since = None, at, None

    def _pass_time(self, at: int) -> None:
        """Count the time up to `at` as worked if a process held the run."""
        since = self.working_since
        if since is not None and at > since:
            self.worked_ms += at - since
            self.working_since = at
        self.updated_at = max(self.updated_at, at)
