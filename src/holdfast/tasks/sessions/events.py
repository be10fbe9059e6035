"""What can happen to a session, as it stands in the session's log.

An entry is one JSON object. It names the digest of the one before it, the first one that of the
session's id, as the entries of a task do (`holdfast.tasks.events`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from holdfast.frozen import field, frozen
from holdfast.tasks.chains import decode_entry

Json = Mapping[str, object]


@frozen
class Started:
    """The session exists."""

    kind: ClassVar[str] = "started"
    at: int
    by: str = ""
    via: str = ""
    id: str
    owner: str
    name: str
    goal: str = ""
    includes: Sequence[str] = ()
    excludes: Sequence[str] = ()
    context: Json = field(default_factory=dict[str, object])


@frozen
class Noted:
    """Somebody wrote something down, about a task if one is named."""

    kind: ClassVar[str] = "noted"
    at: int
    by: str = ""
    via: str = ""
    text: str
    task: str = ""


@frozen
class Decided:
    """Something was decided."""

    kind: ClassVar[str] = "decided"
    at: int
    by: str = ""
    via: str = ""
    text: str
    reason: str = ""
    alternatives: Sequence[str] = ()
    task: str = ""


@frozen
class ScopeChanged:
    """What belongs to the work was decided anew. A `goal` of None stays."""

    kind: ClassVar[str] = "scope_changed"
    at: int
    by: str = ""
    via: str = ""
    includes: Sequence[str] = ()
    excludes: Sequence[str] = ()
    drop: Sequence[str] = ()
    goal: str | None = None
    reason: str = ""


@frozen
class ContextSet:
    """Values were set, None takes one out; files were worked on, or are forgotten."""

    kind: ClassVar[str] = "context_set"
    at: int
    by: str = ""
    via: str = ""
    values: Json = field(default_factory=dict[str, object])
    files: Sequence[str] = ()
    forget: Sequence[str] = ()
    task: str = ""


@frozen
class Ended:
    """The work was brought to an end; `left` are ids of tasks that were open, `left_count` how many."""

    kind: ClassVar[str] = "ended"
    at: int
    by: str = ""
    via: str = ""
    summary: str = ""
    left: Sequence[str] = ()
    left_count: int = 0


SessionEvent = Started | Noted | Decided | ScopeChanged | ContextSet | Ended

_KINDS = {each.kind: each for each in (Started, Noted, Decided, ScopeChanged, ContextSet, Ended)}


def decode_event(data: bytes) -> tuple[SessionEvent, str]:
    """Return the event of an entry, and what it names as the one before it.

    Raises:
        StorageTooNew: a kind or member that this version does not know.
        StorageCorrupt: not an event at all.
    """
    return decode_entry(data, _KINDS.get, whose="session")
