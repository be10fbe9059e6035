"""What a session is: the record that its events add up to.

Times are milliseconds of the epoch. The record is derived: the log of the session is the truth. What
grows without end, the notes and decisions, stands in the log alone; the record counts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from holdfast.frozen import field, frozen


class SessionState(StrEnum):
    """Where a session stands."""

    OPEN = "open"
    """The work goes on, whether or not anybody is at it just now."""
    ENDED = "ended"
    """The work was brought to an end; nothing is added any more."""


@frozen
class Scope:
    """What belongs to the work, and what does not."""

    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()


@frozen
class Touch:
    """When a file was last worked on, and for which task if that was said."""

    at: int
    task: str = ""


@frozen
class Session:
    """A session as it stands.

    `notes`, `decisions` and `scope_changes` count what the log tells. `left` are ids of tasks of the
    session that were open when it ended, `left_count` is how many there were.
    """

    id: str
    owner: str
    name: str
    started_at: int
    updated_at: int
    goal: str = ""
    scope: Scope = field(default_factory=Scope)
    context: Mapping[str, object] = field(default_factory=dict[str, object])
    files: Mapping[str, Touch] = field(default_factory=dict[str, Touch])
    notes: int = 0
    decisions: int = 0
    scope_changes: int = 0
    ended_at: int | None = None
    summary: str = ""
    left: tuple[str, ...] = ()
    left_count: int = 0

    @property
    def state(self) -> SessionState:
        """Whether the work goes on."""
        return SessionState.OPEN if self.ended_at is None else SessionState.ENDED

    @property
    def is_open(self) -> bool:
        """Whether anything may be added."""
        return self.ended_at is None


@frozen
class Snapshot:
    """A session and the place in its log up to which it was folded.

    `tail` is the number of the last entry taken in, `last` its digest; `heads` are the digests of the
    entries that no other names as the one before it (one, but for a log that was merged).
    """

    session: Session
    tail: int
    last: str
    heads: tuple[str, ...]
