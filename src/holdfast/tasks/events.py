"""What can happen to a task, as it stands in the task's log.

The log is the truth: the record that people see is a fold of these events (`holdfast.tasks.fold`).
Times are milliseconds of the epoch. Each event says who did it (`by`) and from where (`via`: cli,
mcp, engine …); the members hold nothing but JSON.

Each entry also names the digest of the one before it, the first one that of the task's id, so a log
that was altered cannot pass for the one that was written. `prev` names more than one entry, joined by
`+`, where two clones of a log were merged.

A layer above adds kinds of its own by `register`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

from holdfast.frozen import MISSING, field, frozen
from holdfast.tasks.chains import decode_entry, digest
from holdfast.tasks.codec import defaults, to_bytes
from holdfast.tasks.kinds import load_kind

Json = Mapping[str, object]


class Event(Protocol):
    """What all events have."""

    kind: ClassVar[str]

    @property
    def at(self) -> int:
        """When it happened."""
        ...


@frozen
class Created:
    """The task exists. `run` holds the members of `RunDetails` if the engine runs it.

    `variables` have the members of `Variable`, `dependencies` those of `Dependency`. `key` is what
    the caller named the request by.
    """

    kind: ClassVar[str] = "created"
    at: int
    by: str = ""
    via: str = ""
    id: str
    owner: str
    name: str
    description: str = ""
    parent: str = ""
    session: str = ""
    priority: int = 2
    tags: Sequence[str] = ()
    variables: Mapping[str, Json] = field(default_factory=dict[str, Json])
    dependencies: Sequence[Json] = ()
    ttl_ms: int | None = None
    metadata: Json = field(default_factory=dict[str, object])
    run: Json | None = None
    key: str = ""


@frozen
class Updated:
    """Somebody changed what the task says about itself; `changes` are the new values by field.

    The fields are those of `EDITABLE`; `metadata` is merged by its keys, and None takes one out.
    """

    kind: ClassVar[str] = "updated"
    at: int
    by: str = ""
    via: str = ""
    changes: Json


EDITABLE = frozenset(
    {"name", "description", "session", "priority", "tags", "status_message", "metadata"}
)
"""The fields that an `Updated` may change."""


@frozen
class Started:
    """Work began, or goes on although an answer is missing, without a lease."""

    kind: ClassVar[str] = "started"
    at: int
    by: str = ""
    via: str = ""
    message: str = ""


@frozen
class Claimed:
    """Somebody took the task over. Whoever held it before may not write from here on.

    Without `until` the layer above knows whether the holder lives.
    """

    kind: ClassVar[str] = "claimed"
    at: int
    by: str = ""
    via: str = ""
    holder: str
    fence: int
    until: int | None = None


@frozen
class Renewed:
    """The holder is alive and keeps the task."""

    kind: ClassVar[str] = "renewed"
    at: int
    by: str = ""
    via: str = ""
    fence: int
    until: int


@frozen
class Released:
    """The holder let go of the task, which waits for an answer or for the next holder."""

    kind: ClassVar[str] = "released"
    at: int
    by: str = ""
    via: str = ""


@frozen
class Progressed:
    """The work has come on."""

    kind: ClassVar[str] = "progressed"
    at: int
    by: str = ""
    via: str = ""
    done: float
    total: float | None = None
    message: str = ""


@frozen
class Noted:
    """Somebody wrote something down."""

    kind: ClassVar[str] = "noted"
    at: int
    by: str = ""
    via: str = ""
    text: str


@frozen
class VariablesChanged:
    """Variables got other values, None takes one out; `declared` are new schemas and visibilities.

    A member of `declared` has `schema`, `visibility` or both.
    """

    kind: ClassVar[str] = "variables_changed"
    at: int
    by: str = ""
    via: str = ""
    values: Json = field(default_factory=dict[str, object])
    declared: Mapping[str, Json] = field(default_factory=dict[str, Json])


@frozen
class InputRequested:
    """The task asks for something. Keys are unique for the life of the task."""

    kind: ClassVar[str] = "input_requested"
    at: int
    by: str = ""
    via: str = ""
    key: str
    prompt: str
    schema: Json = field(default_factory=dict[str, object])


@frozen
class InputAnswered:
    """Somebody answered."""

    kind: ClassVar[str] = "input_answered"
    at: int
    by: str = ""
    via: str = ""
    key: str
    answer: object


@frozen
class DependencyAdded:
    """The task has to do with another one; `ended` is how that one has ended already."""

    kind: ClassVar[str] = "dependency_added"
    at: int
    by: str = ""
    via: str = ""
    relation: str
    on: str
    ended: str = ""


@frozen
class DependencyRemoved:
    """The task has nothing to do with another one any more."""

    kind: ClassVar[str] = "dependency_removed"
    at: int
    by: str = ""
    via: str = ""
    relation: str
    on: str


@frozen
class BlockerEnded:
    """A task that this one waits for has ended."""

    kind: ClassVar[str] = "blocker_ended"
    at: int
    by: str = ""
    via: str = ""
    on: str
    ended: str


@frozen
class CancelRequested:
    """Somebody wants the task to stop; whoever works on it decides when."""

    kind: ClassVar[str] = "cancel_requested"
    at: int
    by: str = ""
    via: str = ""


@frozen
class Completed:
    """The task ended with a result."""

    kind: ClassVar[str] = "completed"
    at: int
    by: str = ""
    via: str = ""
    result: object = None


@frozen
class Failed:
    """The task ended with an error, which has at least a `message`."""

    kind: ClassVar[str] = "failed"
    at: int
    by: str = ""
    via: str = ""
    error: Json


@frozen
class Cancelled:
    """The task was called off."""

    kind: ClassVar[str] = "cancelled"
    at: int
    by: str = ""
    via: str = ""
    reason: str = ""


TaskEvent = (
    Created
    | Updated
    | Started
    | Claimed
    | Renewed
    | Released
    | Progressed
    | Noted
    | VariablesChanged
    | InputRequested
    | InputAnswered
    | DependencyAdded
    | DependencyRemoved
    | BlockerEnded
    | CancelRequested
    | Completed
    | Failed
    | Cancelled
)

_KINDS: dict[str, type[Event]] = {}
_ENCODERS: dict[type[Event], Callable[[Event, str], bytes]] = {}


def register(*kinds: type[Event], encode: Callable[[Event, str], bytes] | None = None) -> None:
    """Let logs hold further kinds of events: frozen dataclasses with an `at` and nothing but JSON.

    `encode` does what `encode_event` does, faster. What the events mean for the record, if
    anything, is told by `holdfast.tasks.fold.teach`. Registering a kind again changes nothing.

    Raises:
        ValueError: another class has the name already.
    """
    for kind in kinds:
        if _KINDS.setdefault(kind.kind, kind) is not kind:
            raise ValueError(f"there is an event {kind.kind!r} already")
        if encode is not None:
            _ENCODERS[kind] = encode


register(
    Created,
    Updated,
    Started,
    Claimed,
    Renewed,
    Released,
    Progressed,
    Noted,
    VariablesChanged,
    InputRequested,
    InputAnswered,
    DependencyAdded,
    DependencyRemoved,
    BlockerEnded,
    CancelRequested,
    Completed,
    Failed,
    Cancelled,
)


def encode_event(event: Event, prev: str) -> bytes:
    """Return the event as one JSON object; members that have their default are left out."""
    kind = type(event)
    if faster := _ENCODERS.get(kind):
        return faster(event, prev)
    data: dict[str, object] = {"event": event.kind, "prev": prev}
    for name, default in defaults(kind):
        value: object = getattr(event, name)
        if default is MISSING or value != default:
            data[name] = value
    return to_bytes(data, what=f"the event {event.kind!r}")


def link(data: bytes, prev: str) -> tuple[bytes, str]:
    """Return an entry that was encoded with an empty `prev` as one that follows `prev`, and its digest.

    So a layer above can encode an event before it knows what the event will follow.
    """
    linked = data.replace(b'"prev":""', b'"prev":"%b"' % prev.encode(), 1)
    return linked, digest(linked)


def decode_event(data: bytes) -> tuple[Event, str]:
    """Return the event that `encode_event` wrote, and what it names as the one before it.

    Raises:
        StorageTooNew: a kind or member that this version does not know.
        StorageCorrupt: not an event at all.
    """
    return decode_entry(data, _kind_of, whose="task")


def _kind_of(name: str) -> type[Event] | None:
    if name not in _KINDS:
        load_kind(name)
    return _KINDS.get(name)
