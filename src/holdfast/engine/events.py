"""What can happen to a run, as it stands in the run's log.

The log of a run is the truth about it: everything else (the record that `list` shows, the state,
the remembered steps) is a fold of these events. Times are milliseconds of the epoch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import ClassVar, cast

from holdfast.errors import ProgramError, StorageCorrupt, StorageTooNew

Meta = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """The run exists. `definition` is the SHA-256 of what its program was given to interpret.

    `forked_from` is the run whose finished steps this one began with.
    """

    kind: ClassVar = "created"
    at: int
    id: str
    program: str
    name: str
    inputs: Mapping[str, object]
    definition: str = ""
    origin: str = ""
    timeout: float | None = None
    forked_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A process took the run over. Whoever held it before may not write from here on."""

    kind: ClassVar = "claimed"
    at: int
    holder: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The process let go of the run: it waits for an answer, or was stopped in good order."""

    kind: ClassVar = "released"
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """An at-most-once step is about to run; nothing else journals its start."""

    kind: ClassVar = "step_started"
    at: int
    path: str
    visit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """A step ended, with a result or with an error. `meta` holds its cost, model and so on."""

    kind: ClassVar = "step_finished"
    at: int
    path: str
    visit: int
    started: int
    attempts: int = 1
    result: object = None
    error: Meta | None = None
    meta: Meta = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerSet:
    """The run sleeps until an instant; a crash does not make it sleep longer."""

    kind: ClassVar = "timer_set"
    at: int
    path: str
    visit: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRequested:
    """The run asks for something. Keys are unique for the life of the run."""

    kind: ClassVar = "input_requested"
    at: int
    key: str
    prompt: str
    schema: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class InputAnswered:
    """Somebody answered."""

    kind: ClassVar = "input_answered"
    at: int
    key: str
    answer: object
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redefined:
    """The run goes on with another definition than it started with."""

    kind: ClassVar = "redefined"
    at: int
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """Somebody wants the run to stop."""

    kind: ClassVar = "cancel_requested"
    at: int
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The run ended with a result."""

    kind: ClassVar = "completed"
    at: int
    result: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The run ended with an error."""

    kind: ClassVar = "failed"
    at: int
    error: Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The run was called off."""

    kind: ClassVar = "cancelled"
    at: int


Event = (
    Created
    | Claimed
    | Released
    | StepStarted
    | StepFinished
    | TimerSet
    | InputRequested
    | InputAnswered
    | Redefined
    | CancelRequested
    | Completed
    | Failed
    | Cancelled
)

_KINDS: dict[str, type[Event]] = {
    kind.kind: kind
    for kind in (
        Created,
        Claimed,
        Released,
        StepStarted,
        StepFinished,
        TimerSet,
        InputRequested,
        InputAnswered,
        Redefined,
        CancelRequested,
        Completed,
        Failed,
        Cancelled,
    )
}


def _default(item: Field[object]) -> object:
    return {} if item.default_factory is not MISSING else item.default


_FIELDS: dict[type[Event], tuple[tuple[str, object], ...]] = {
    kind: tuple((item.name, _default(item)) for item in fields(kind)) for kind in _KINDS.values()
}
_quote = json.encoder.encode_basestring  # type: ignore[attr-defined]
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def to_json(value: object, *, what: str) -> str:
    """Return `value` as compact JSON.

    Raises:
        ProgramError: it is not made of JSON's types; the message begins with `what`.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ProgramError(
            f"{what} cannot be journaled: {error}",
            hint="return None, bool, int, float (finite), str, or lists and dicts of these",
        ) from error


def encode_event(event: Event) -> bytes:
    """Return the event as one JSON object; members that have their default are left out."""
    if type(event) is StepFinished:
        return _encode_step(event)
    data: dict[str, object] = {"event": event.kind}
    for name, default in _FIELDS[type(event)]:
        value: object = getattr(event, name)
        if default is MISSING or value != default:
            data[name] = value
    return to_json(data, what=f"the event {event.kind!r}").encode("utf-8", "surrogatepass")


def _encode_step(event: StepFinished) -> bytes:
    """Do the same for the event that there is most of, in half the time."""
    text = (
        f'{{"event":"step_finished","at":{event.at},"path":{_quote(event.path)},'
        f'"visit":{event.visit},"started":{event.started}'
    )
    if event.attempts != 1:
        text += f',"attempts":{event.attempts}'
    if event.result is not None:
        text += f',"result":{to_json(event.result, what="the result")}'
    if event.error is not None:
        text += f',"error":{to_json(event.error, what="the error")}'
    if event.meta:
        text += f',"meta":{to_json(event.meta, what="what is told of the step")}'
    return (text + "}").encode("utf-8", "surrogatepass")


def decode_event(data: bytes) -> Event:
    """Return the event that `encode_event` wrote.

    Raises:
        StorageTooNew: a kind or member that this version does not know.
        StorageCorrupt: not an event at all.
    """
    try:
        members = cast("dict[str, object]", json.loads(data.decode("utf-8", "surrogatepass")))
        kind = members.pop("event")
    except (ValueError, KeyError, AttributeError) as error:
        raise StorageCorrupt(
            "an entry of a run's log is not an event", hint="restore the store from a backup"
        ) from error
    try:
        return _KINDS[str(kind)](**members)  # pyright: ignore[reportArgumentType]
    except (KeyError, TypeError) as error:
        raise StorageTooNew(
            f"the log of a run holds an event {kind!r} that this version does not know",
            hint="upgrade Holdfast",
        ) from error
