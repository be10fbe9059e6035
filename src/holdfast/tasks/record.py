"""What a task is: the record that its events add up to.

Times are milliseconds of the epoch in here; `holdfast.tasks.view` writes them as ISO 8601. The
record is derived: the log of the task is the truth (`holdfast.tasks.events`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from holdfast.frozen import field, frozen
from holdfast.tasks.state import TaskState, is_terminal

LOCAL_OWNER = "local"
"""The owner of what nobody had to log in for."""

URGENT, HIGH, NORMAL, LOW, SOMEDAY = 0, 1, 2, 3, 4
"""The priorities: 0 is taken first, 4 last."""


class Visibility(StrEnum):
    """Who may see and change a variable besides the code of the server."""

    SERVER = "server"
    """Nobody."""
    READ = "read"
    """Clients see it."""
    WRITE = "write"
    """Clients see and change it."""


class Relation(StrEnum):
    """What a task has to do with another one, read from the task that keeps the dependency."""

    BLOCKS = "blocks"
    """The other one must end before this one may begin."""
    PARENT = "parent"
    """This one is a part of the other one. A task has one parent at most."""
    RELATES = "relates"
    """They have to do with each other; nothing follows from it."""
    DISCOVERED_FROM = "discovered_from"
    """This one was found while somebody worked on the other one."""


Ended = Literal["", "completed", "failed", "cancelled", "expired"]
"""How a task that others wait for has ended; empty while it is open."""


@frozen
class Progress:
    """How far the work has come, in the unit of whoever reports it."""

    done: float
    total: float | None = None
    message: str = ""


@frozen
class Variable:
    """A value that is shared by all who work on a task.

    `version` counts the changes of this variable and goes on growing when it is deleted and set
    again. A deleted one keeps its version, its schema and its visibility.
    """

    version: int
    value: object = None
    deleted: bool = False
    visibility: Visibility = Visibility.WRITE
    schema: Mapping[str, object] | None = None


@frozen
class Dependency:
    """Another task that this one has to do with; `ended` is how that one has ended."""

    kind: Relation
    on: str
    ended: Ended = ""

    @property
    def holds_up(self) -> bool:
        """Whether the task may not begin because of this.

        A blocker that failed goes on blocking: what should have been made is not there. Somebody
        has to decide, by `undepend` or by another blocker.
        """
        return self.kind is Relation.BLOCKS and self.ended in ("", "failed")


@frozen
class InputRequest:
    """Something the task asked for. Its key is never used again in the life of the task."""

    prompt: str
    at: int
    schema: Mapping[str, object] = field(default_factory=dict[str, object])
    answered_at: int | None = None
    answered_by: str = ""
    answer: object = None

    @property
    def is_open(self) -> bool:
        """Whether nobody has answered."""
        return self.answered_at is None


@frozen
class Lease:
    """Who works on the task.

    `fence` is the number that tells this holder from all before it. From `until` on anybody may take
    the task over; None leaves it to the layer above to know whether the holder lives.
    """

    holder: str
    fence: int
    until: int | None = None


@frozen
class RunDetails:
    """What a task is besides if it is a run of the engine.

    `definition` is the SHA-256 of what the program interprets, `timeout` is in seconds.
    """

    program: str
    definition: str = ""
    origin: str = ""
    timeout: float | None = None
    forked_from: str = ""
    inputs: Mapping[str, object] = field(default_factory=dict[str, object])
    steps: int = 0
    cost_msat: int = 0
    cost_known: bool = True


@frozen
class Task:
    """A task as it stands.

    `ttl_ms` counts from the creation; from `expires_at` on the task is absent. `fence` is the last
    number that a lease got. `worked_ms` is the time that somebody held it, up to `updated_at`;
    `working_since` is set while somebody does. `free_from` is when a task that was begun may be taken
    over: the end of the lease, or when it was released; None if nobody may. `notes` counts the
    notes; their text is in the log.
    """

    id: str
    owner: str
    name: str
    created_at: int
    updated_at: int
    description: str = ""
    parent: str = ""
    session: str = ""
    priority: int = NORMAL
    tags: tuple[str, ...] = ()
    state: TaskState = TaskState.PENDING
    status_message: str = ""
    started_at: int | None = None
    ended_at: int | None = None
    progress: Progress | None = None
    variables: Mapping[str, Variable] = field(default_factory=dict[str, Variable])
    dependencies: tuple[Dependency, ...] = ()
    requests: Mapping[str, InputRequest] = field(default_factory=dict[str, InputRequest])
    lease: Lease | None = None
    fence: int = 0
    ttl_ms: int | None = None
    expires_at: int | None = None
    result: object = None
    error: Mapping[str, object] | None = None
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    cancel_requested: bool = False
    notes: int = 0
    worked_ms: int = 0
    working_since: int | None = None
    free_from: int | None = None
    run: RunDetails | None = None

    @property
    def kind(self) -> Literal["task", "run"]:
        """Whether the engine runs it."""
        return "task" if self.run is None else "run"

    @property
    def has_ended(self) -> bool:
        """Whether the task can never change again."""
        return is_terminal(self.state)

    @property
    def blockers(self) -> int:
        """The number of tasks that keep this one from beginning."""
        return sum(each.holds_up for each in self.dependencies)

    @property
    def failed_blockers(self) -> int:
        """The number of those that failed, so that somebody has to decide."""
        return sum(each.holds_up and each.ended == "failed" for each in self.dependencies)

    @property
    def is_ready(self) -> bool:
        """Whether somebody may begin with it now."""
        return self.state is TaskState.PENDING and not self.blockers

    def is_leased(self, now: int) -> bool:
        """Whether somebody holds the task and may not be disturbed."""
        return self.lease is not None and (self.lease.until is None or now < self.lease.until)

    @property
    def open_requests(self) -> Mapping[str, InputRequest]:
        """What the task asked for and nobody has answered; nothing once it has ended."""
        if self.has_ended:
            return {}
        return {key: ask for key, ask in self.requests.items() if ask.is_open}


@frozen
class Snapshot:
    """A task and the place in its log up to which it was folded.

    `tail` is the number of the last entry taken in, `heads` are the digests of the entries that no
    other entry names as the one before it (one, but for a log that was merged), and `superseded`
    are the numbers of the entries that count for nothing (see `holdfast.tasks.fold`).
    """

    task: Task
    tail: int
    heads: tuple[str, ...]
    superseded: tuple[int, ...] = ()
