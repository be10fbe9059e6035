"""What is believed, when, and what speaks against what. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from holdfast.memory.entry import End, Entry, write_json


class State(StrEnum):
    """How an entry stands at one moment."""

    CURRENT = "current"
    """It is believed."""

    UPCOMING = "upcoming"
    """It is known, and will be so later (`valid_from`)."""

    LAPSED = "lapsed"
    """It was so until `valid_until`."""

    EXPIRED = "expired"
    """It was to be believed for a while only (`expires_at`), and that is over."""

    SUPERSEDED = "superseded"
    """Another entry took its place."""

    FORGOTTEN = "forgotten"
    """Somebody asked to forget it."""


LIVE = frozenset({State.CURRENT, State.UPCOMING})
"""The states of entries that may be believed now or later."""


def state_of(entry: Entry, now: int, *, valid_at: int | None = None) -> State:
    """Return how an entry stands when it is `now`, asked about the world at `valid_at`."""
    if entry.end is not None:
        return State.FORGOTTEN if entry.end is End.FORGOTTEN else State.SUPERSEDED
    if entry.expires_at is not None and entry.expires_at <= now:
        return State.EXPIRED
    moment = now if valid_at is None else valid_at
    if entry.valid_until is not None and entry.valid_until <= moment:
        return State.LAPSED
    if entry.valid_from is not None and entry.valid_from > moment:
        return State.UPCOMING
    return State.CURRENT


def overlap(one: Entry, other: Entry) -> bool:
    """Tell whether there is a moment at which both are valid."""
    return _begins_before(one, other) and _begins_before(other, one)


def _begins_before(one: Entry, other: Entry) -> bool:
    """Tell whether one begins before the other is over."""
    return one.valid_from is None or other.valid_until is None or one.valid_from < other.valid_until


def is_same_value(one: Entry, other: Entry) -> bool:
    """Tell whether two entries say the same, types included."""
    return write_json(one.value) == write_json(other.value)


def contradict(one: Entry, other: Entry) -> bool:
    """Tell whether two entries say different things of one subject for the same time."""
    return (
        one.id != other.id
        and one.key != ""
        and (one.namespace, one.key) == (other.namespace, other.key)
        and not is_same_value(one, other)
        and overlap(one, other)
    )


def contradictions(entries: Iterable[Entry]) -> Mapping[str, tuple[str, ...]]:
    """Return the ids of entries that contradict others, each with the ids of those."""
    by_subject: dict[tuple[object, str], list[Entry]] = {}
    for entry in entries:
        if entry.key:
            by_subject.setdefault((entry.namespace, entry.key), []).append(entry)
    found: dict[str, tuple[str, ...]] = {}
    for group in by_subject.values():
        for entry in group if len(group) > 1 else ():
            against = tuple(sorted(each.id for each in group if contradict(entry, each)))
            if against:
                found[entry.id] = against
    return found
