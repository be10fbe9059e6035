"""Tasks as people and other programs see them: JSON with times in ISO 8601."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, cast

from holdfast.frozen import is_record, members_of
from holdfast.tasks.events import Event
from holdfast.tasks.reading import Happening
from holdfast.tasks.record import Task
from holdfast.tasks.summaries import Summary

_TIMES = frozenset(
    {
        *("at", "until", "created_at", "updated_at", "started_at", "ended_at", "expires_at"),
        *("answered_at", "lease_until", "free_from", "working_since", "oldest_open_at"),
    }
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(ms: int) -> str:
    """Return milliseconds of the epoch as ISO 8601 in UTC, for instance 2026-11-26T01:30:00.000Z."""
    at = _EPOCH + timedelta(milliseconds=ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> int | None:
    """Return ISO 8601 as milliseconds of the epoch, None if it is not; no offset means UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(milliseconds=1)


def describe(task: Task | Summary) -> dict[str, object]:
    """Return all that is known of a task, also what follows from the rest."""
    found = cast("dict[str, object]", _plain(task))
    if isinstance(task, Summary):
        return {**found, "ready": task.is_ready}
    live = {name: each for name, each in task.variables.items() if not each.deleted}
    found["variables"] = {name: _plain(each) for name, each in live.items()}
    return {
        **found,
        "kind": task.kind,
        "ready": task.is_ready,
        "blockers": task.blockers,
        "blocked_by_failed": task.failed_blockers > 0,
    }


def describe_event(happening: Happening) -> dict[str, object]:
    """Return an entry of a log."""
    event: Event = happening.event
    found: dict[str, object] = {
        "number": happening.number,
        "event": event.kind,
        **cast("dict[str, object]", _plain(event)),
    }
    if happening.superseded:
        found["superseded"] = happening.superseded
    return found


def _plain(value: object) -> object:
    """Return a value as JSON. What people put in is left as it is, whatever its members are called."""
    if isinstance(value, Enum):
        return value.value
    if is_record(value):
        names = (each.name for each in members_of(type(value)))
        return {name: _member(name, getattr(value, name)) for name in names}
    if isinstance(value, Summary):
        return {name: _member(name, each) for name, each in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in cast("tuple[object, ...]", value)]
    if isinstance(value, Mapping):
        known = cast("Mapping[Any, object]", value)
        return {str(_plain(name)): _plain(each) for name, each in known.items()}
    return value


def _member(name: str, value: object) -> object:
    return iso(value) if name in _TIMES and isinstance(value, int) else _plain(value)
