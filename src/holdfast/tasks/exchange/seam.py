"""The seam of the exchange: tasks on their way between trackers, and what a format has to do.

An `Item` says of a task what several trackers know. What only one of them knows stays in `raw`, the
task as its file has it: the importer keeps what an export could not make again, and the
exporter gives it back to the same format. So a format is two pure functions, `parse` and `render`, and the
reading and writing of files around them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from holdfast.tasks.record import NORMAL
from holdfast.tasks.state import TaskState

Raw = Mapping[str, object]
"""A task as a file has it: JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands; `line` 0 is the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that did not go as it should.

    A `problem` was not taken in, or not as it stands; a `remark` is good to know. `item` is the
    id in the other tracker, if it has one.
    """

    weight: Literal["problem", "remark"]
    place: Place
    what: str
    remedy: str
    item: str = ""


Report = Callable[[Finding], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A note of a task: its time in milliseconds of the epoch, its text, its author."""

    at: int
    text: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A task in the words that trackers have in common. Times are milliseconds of the epoch.

    `id` and what the task has to do with others are ids of the other tracker. `held` says why a task
    that nobody may begin with waits. `by` is who made it. `space` tells apart the files of one format
    whose ids are only their own. `history` is all that happened to the task, for the format that
    carries it; then the other fields but `id` mean nothing.
    """

    id: str
    name: str = ""
    description: str = ""
    state: TaskState = TaskState.PENDING
    held: str = ""
    status_message: str = ""
    priority: int = NORMAL
    tags: tuple[str, ...] = ()
    session: str = ""
    created_at: int = 0
    updated_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    by: str = ""
    notes: tuple[Comment, ...] = ()
    blocked_by: tuple[str, ...] = ()
    parent: str = ""
    relates: tuple[str, ...] = ()
    discovered_from: tuple[str, ...] = ()
    result: object = None
    error: str = ""
    space: str = ""
    place: Place = Place(file="")
    raw: Raw = field(default_factory=dict[str, object])
    history: Sequence[Raw] = ()


class Format(Protocol):
    """A way in which a tracker keeps tasks in files."""

    @property
    def name(self) -> str:
        """What people call it on the command line."""
        ...

    @property
    def lists(self) -> Mapping[str, Callable[[object], Hashable]]:
        """The members of `raw` that are lists, with what tells their elements apart."""
        ...

    @property
    def fleeting(self) -> frozenset[str]:
        """The members of `raw` that change by themselves."""
        ...

    @property
    def is_ordered(self) -> bool:
        """Whether the order of the members of `raw` means something."""
        ...

    @property
    def ids_are_unique(self) -> bool:
        """Whether no two tasks of the world have one id, as far as anybody knows."""
        ...

    def detect(self, path: Path) -> bool:
        """Return whether a file or folder looks like one of this format; never raises."""
        ...

    def read(self, path: Path, report: Report) -> Iterator[Item]:
        """Give the tasks of a file or folder, and report what cannot be read; the rest goes on.

        Raises:
            UsageError: nothing of it can be read.
        """
        ...

    def parse(self, raw: Raw, place: Place, report: Report) -> Item | None:
        """Return what a task in a file means; None, after a report, if it is no task."""
        ...

    def render(self, item: Item) -> Raw:
        """Return the task as a file would have it that knew nothing but the item."""
        ...

    def name_task(self, task_id: str, taken: Callable[[str], bool]) -> str:
        """Return an id for a task that has none in this format, and that is not taken."""
        ...

    def write(self, target: Target) -> AbstractContextManager[Callable[[Raw], object]]:
        """Give a function that takes one task after the other; all is written at the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an export goes: text to `text`, or files below `folder`, where nothing is replaced.

    `left_out` is told, by a name for what it is, of a task that has no place in the format.
    """

    text: Callable[[str], object]
    left_out: Callable[[str], object]
    folder: Path | None = None
