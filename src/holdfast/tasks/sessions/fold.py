"""What the log of a session adds up to. Pure: no clock, no I/O.

Who is about to append asks first whether the session is open. A log that two clones were merged into
may hold what one of them added while the other one ended the session: that counts too, since a
decision is no less made for it. Of two ends the first one stands, and the summaries of both are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from holdfast.errors import StorageCorrupt
from holdfast.frozen import frozen, replace
from holdfast.tasks.chains import digest, genesis
from holdfast.tasks.sessions.events import (
    ContextSet,
    Decided,
    Ended,
    Noted,
    ScopeChanged,
    SessionEvent,
    Started,
    decode_event,
)
from holdfast.tasks.sessions.record import Scope, Session, Snapshot, Touch


def evolve(session: Session | None, event: SessionEvent) -> Session | None:
    """Return the session after the event; before it has started nothing else counts."""
    if isinstance(event, Started):
        return session or _born(event)
    if session is None:
        return None
    now = replace(session, updated_at=max(session.updated_at, event.at))
    match event:
        case Noted():
            return replace(now, notes=now.notes + 1)
        case Decided():
            return replace(now, decisions=now.decisions + 1)
        case ScopeChanged():
            return _rescoped(now, event)
        case ContextSet():
            return _with_context(now, event)
        case Ended():
            return _ended(now, event)
        case _:
            assert_never(event)


class Fold:
    """A session and its place in the log, brought forward entry by entry."""

    __slots__ = ("_id", "heads", "last", "session", "tail")

    def __init__(self, session_id: str, snapshot: Snapshot | None = None) -> None:
        self._id = session_id
        self.session: Session | None = snapshot.session if snapshot else None
        self.tail = snapshot.tail if snapshot else 0
        self.last = snapshot.last if snapshot else ""
        self.heads = snapshot.heads if snapshot else (genesis(session_id),)

    @property
    def prev(self) -> str:
        """What the next entry names as the ones before it."""
        return "+".join(self.heads)

    def take(self, data: bytes) -> SessionEvent:
        """Take in the next entry of the log, and return its event."""
        event, prev = decode_event(data)
        before = prev.split("+")
        self.tail += 1
        self.last = digest(data)
        self.heads = (*(head for head in self.heads if head not in before), self.last)
        self.session = evolve(self.session, event)
        return event

    def snapshot(self) -> Snapshot:
        """Return how it stands.

        Raises:
            StorageCorrupt: the log has no start.
        """
        if self.session is None:
            raise StorageCorrupt(
                f"the log of session {self._id} does not tell of its start",
                hint="restore the store from a backup",
            )
        return Snapshot(session=self.session, tail=self.tail, last=self.last, heads=self.heads)


@frozen
class Happening:
    """An entry of a session's log."""

    number: int
    event: SessionEvent


@frozen
class Story:
    """A session with all that happened in it, oldest first."""

    session: Session
    happenings: Sequence[Happening]

    @property
    def notes(self) -> Sequence[tuple[int, Noted]]:
        """The notes, with their places among the notes, from 1."""
        found = [each.event for each in self.happenings if isinstance(each.event, Noted)]
        return list(enumerate(found, 1))

    @property
    def decisions(self) -> Sequence[tuple[int, Decided]]:
        """The decisions, with their places among the decisions, from 1."""
        found = [each.event for each in self.happenings if isinstance(each.event, Decided)]
        return list(enumerate(found, 1))

    @property
    def scope_changes(self) -> Sequence[ScopeChanged]:
        """How the scope came to be."""
        return [each.event for each in self.happenings if isinstance(each.event, ScopeChanged)]


def tell(session_id: str, entries: Iterable[bytes]) -> Story:
    """Return the session that a whole log tells of, with all that happened.

    Raises:
        StorageCorrupt: the log has no start, or holds something that is no event.
        StorageTooNew: an event that this version does not know.
    """
    fold = Fold(session_id)
    happenings = [
        Happening(number=number, event=fold.take(data)) for number, data in enumerate(entries, 1)
    ]
    return Story(session=fold.snapshot().session, happenings=happenings)


def broken_links(session_id: str, entries: Iterable[bytes]) -> list[int]:
    """Return the numbers of the entries that follow on something that is not in the log before them."""
    known, broken = {genesis(session_id)}, list[int]()
    for number, data in enumerate(entries, 1):
        _, prev = decode_event(data)
        if not known.issuperset(prev.split("+")):
            broken.append(number)
        known.add(digest(data))
    return broken


def _born(event: Started) -> Session:
    return Session(
        id=event.id,
        owner=event.owner,
        name=event.name,
        started_at=event.at,
        updated_at=event.at,
        goal=event.goal,
        scope=Scope(includes=tuple(event.includes), excludes=tuple(event.excludes)),
        context=dict(event.context),
    )


def _rescoped(session: Session, event: ScopeChanged) -> Session:
    includes = _changed(session.scope.includes, event.includes, [*event.excludes, *event.drop])
    excludes = _changed(session.scope.excludes, event.excludes, [*event.includes, *event.drop])
    return replace(
        session,
        scope=Scope(includes=includes, excludes=excludes),
        goal=session.goal if event.goal is None else event.goal,
        scope_changes=session.scope_changes + 1,
    )


def _changed(before: Sequence[str], more: Sequence[str], less: Sequence[str]) -> tuple[str, ...]:
    kept = [each for each in before if each not in less]
    return tuple(dict.fromkeys((*kept, *(each for each in more if each not in less))))


def _with_context(session: Session, event: ContextSet) -> Session:
    merged = {**session.context, **event.values}
    files = {path: touch for path, touch in session.files.items() if path not in event.forget}
    for path in event.files:
        files.pop(path, None)  # the newest stand last
        files[path] = Touch(at=event.at, task=event.task)
    return replace(
        session,
        context={name: value for name, value in merged.items() if value is not None},
        files=files,
    )


def _ended(session: Session, event: Ended) -> Session:
    if session.ended_at is None:
        return replace(
            session,
            ended_at=event.at,
            summary=event.summary,
            left=tuple(event.left),
            left_count=event.left_count,
        )
    if event.summary in ("", session.summary):
        return session
    both = f"{session.summary}\n\n{event.summary}" if session.summary else event.summary
    return replace(session, summary=both)
