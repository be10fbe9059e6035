"""Check events that come from a file before they go into a log, where they would stay. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from holdfast.errors import HoldfastError, InputError
from holdfast.tasks.checks import (
    check_metadata,
    check_priority,
    check_session,
    check_tags,
    check_task_name,
    check_text,
)
from holdfast.tasks.codec import to_bytes
from holdfast.tasks.events import EDITABLE, Created, Event, Updated, decode_event
from holdfast.tasks.exchange.seam import Raw
from holdfast.tasks.fold import apply
from holdfast.tasks.record import Task

_LATEST_MS = 253_402_300_799_999
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "int | None": (int, type(None)),
    "float": (int, float),
    "float | None": (int, float, type(None)),
    "str": (str,),
    "Json": (dict,),
    "Mapping[str, Json]": (dict,),
    "Sequence[str]": (list, tuple),
    "Sequence[Json]": (list, tuple),
}
_ELEMENTS: dict[str, type] = {
    "Mapping[str, Json]": dict,
    "Sequence[str]": str,
    "Sequence[Json]": dict,
}
_EDITED: dict[str, str] = {
    "priority": "int",
    "tags": "Sequence[str]",
    "metadata": "Json",
}


def sound_events(history: Sequence[Raw]) -> tuple[list[Event], Task]:
    """Return the events of a history, and the task that they make.

    Raises:
        HoldfastError: they make no task that Holdfast would have made; the message says which one.
    """
    events: list[Event] = []
    task: Task | None = None
    for number, raw in enumerate(history, 1):
        try:
            event, _ = decode_event(to_bytes({**raw, "prev": ""}, what="an event"))
            _check_types(event)
            task = apply(task, event)
            _check_task(task)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise InputError(
                f"event {number} makes no sense: {error}", hint="export it again"
            ) from error
        except HoldfastError as error:
            hint = error.hint or "export it again"
            raise InputError(f"event {number}: {error.message}", hint=hint) from error
        events.append(event)
    assert task is not None
    return events, task


def _check_types(event: Event) -> None:
    for name, kind in type(event).__annotations__.items():
        _check_type(getattr(event, name), str(kind), name)
    if isinstance(event, Created) and event.run is not None:
        raise ValueError("a run of the engine cannot be imported as a task")
    if isinstance(event, Updated):
        for name, value in event.changes.items():
            if name not in EDITABLE:
                raise ValueError(f"{name!r} is no field that changes")
            _check_type(value, _EDITED.get(name, "str"), name)


def _check_type(value: object, kind: str, name: str) -> None:
    wanted = _TYPES.get(kind)
    if wanted is None:
        return
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}")
    if name == "at" and not 0 <= cast("int", value) <= _LATEST_MS:
        raise ValueError(f"{value!r} is no time between 1970 and 9999")
    element = _ELEMENTS.get(kind)
    if element is None:
        return
    each_of = cast("Mapping[str, object]", value).values() if kind[0] == "M" else value
    for each in cast("Sequence[object]", each_of):
        if not isinstance(each, element):
            raise TypeError(f"{name} holds {each!r}")


def _check_task(task: Task) -> None:
    check_task_name(task.name)
    check_text(task.description, "the description")
    check_text(task.status_message, "the status message")
    check_session(task.session)
    check_priority(task.priority)
    check_tags(task.tags)
    check_metadata(task.metadata)
