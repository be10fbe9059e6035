"""What happened to an entry: the events in its log. Each holds the whole entry as it was then."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from holdfast.errors import StorageCorrupt
from holdfast.memory.entry import Entry, entry_of, members_of


class Change(StrEnum):
    """The kinds of events."""

    WRITTEN = "written"
    """It was written."""

    CONFIRMED = "confirmed"
    """The same was written again."""

    REVISED = "revised"
    """Somebody edited its file by hand."""

    SUPERSEDED = "superseded"
    """Another entry took its place."""

    FORGOTTEN = "forgotten"
    """Somebody asked to forget it."""

    SWEPT = "swept"
    """It had expired, and was put away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to an entry: when, by whom, and the entry after it."""

    change: Change
    at: int
    entry: Entry
    by: str = ""
    why: str = ""


def encode_event(event: Event) -> bytes:
    """Return an event as an entry of a log."""
    members = {
        "event": str(event.change),
        "at": event.at,
        "by": event.by,
        "why": event.why,
        "entry": members_of(event.entry),
    }
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def decode_event(value: bytes) -> Event:
    """Return the event in an entry of a log.

    Raises:
        StorageTooNew: a newer version wrote it.
        StorageCorrupt: it is no event.
    """
    try:
        members = json.loads(value.decode("utf-8", "surrogatepass"))
        change = Change(members["event"])
        at, by, why = int(members["at"]), str(members["by"]), str(members["why"])
        entry = members["entry"]
    except (ValueError, LookupError, TypeError) as error:
        raise StorageCorrupt(
            f"an event of the memory is damaged: {error!r}",
            hint="run `holdfast store verify`, then `holdfast store repair`",
        ) from error
    return Event(change=change, at=at, by=by, why=why, entry=entry_of(entry))


def entry_at(events: Sequence[Event], moment: int) -> Entry | None:
    """Return an entry as it was at a moment, None if it was not known yet."""
    known = [event.entry for event in events if event.at <= moment]
    return known[-1] if known else None
