"""The verbs of sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.clock import Clock
from holdfast.errors import SessionConflict
from holdfast.ids import new_session_id
from holdfast.storage.fallback import write_all
from holdfast.storage.seam import ABSENT, ANY, Append, Operation, Put, Store, can_batch
from holdfast.tasks.checks import check_owner
from holdfast.tasks.events import encode_event
from holdfast.tasks.record import LOCAL_OWNER
from holdfast.tasks.requests import Actor, Filter
from holdfast.tasks.sessions import checks
from holdfast.tasks.sessions.current import session_for
from holdfast.tasks.sessions.events import (
    ContextSet,
    Decided,
    Ended,
    Noted,
    ScopeChanged,
    SessionEvent,
    Started,
)
from holdfast.tasks.sessions.fold import Fold, Story, tell
from holdfast.tasks.sessions.keys import current_key, session_key, session_log, time_key
from holdfast.tasks.sessions.listing import OPEN_STATES, every_task
from holdfast.tasks.sessions.loading import (
    Held,
    current_id,
    find_session,
    ids_by_time,
    load_session,
)
from holdfast.tasks.sessions.record import Session, SessionState
from holdfast.tasks.sessions.repairing import RepairedSessions, repair
from holdfast.tasks.sessions.requests import NewSession, ScopeChange
from holdfast.tasks.sessions.snapshots import encode_snapshot
from holdfast.tasks.unit import Stamp

_NOBODY = Actor()
_LEFT_NAMED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPage:
    """Some sessions, newest first. `more` is how many there are besides them that fit."""

    sessions: Sequence[Session]
    more: int
    current: str


class Sessions:
    """The sessions of one owner, on behalf of one actor.

        sessions = Sessions(store, clock=clock, actor=Actor(by="ann", via="cli"))
        session = await sessions.start(NewSession(name="report", goal="ten pages by Friday"))
        await sessions.decide(session.id, "write in LaTeX", reason="the publisher wants it")

    Nothing of a session is kept in the process: each verb has written all of it when it returns, and
    whoever opens the store finds the same. Of changes that meet none is lost. Verbs that take an id
    raise `SessionNotFound` for one that the owner does not have, `SessionConflict` if the session has
    ended, and `InputError` for what cannot be stored.
    """

    def __init__(
        self, store: Store, *, clock: Clock, owner: str = LOCAL_OWNER, actor: Actor = _NOBODY
    ) -> None:
        check_owner(owner)
        self.owner = owner
        self.actor = actor
        self._store = store
        self._clock = clock

    async def start(self, new: NewSession) -> Session:
        """Start a session, and make it the current one unless `new.aside`.

        Raises:
            SessionConflict: a session of this name is open.
        """
        checks.check_new(new)
        while True:
            chosen, version = await current_id(self._store, self.owner)
            await self._refuse_twin(new.name)
            session_id = new_session_id()
            event = Started(
                **self._stamp(),
                id=session_id,
                owner=self.owner,
                name=new.name,
                goal=new.goal,
                includes=list(dict.fromkeys(new.includes)),
                excludes=list(dict.fromkeys(new.excludes)),
                context=dict(new.context),
            )
            held = Held(version=ABSENT, fold=Fold(session_id))
            # Every start writes this record, so of two that start at once one looks again.
            guard = self._chosen(chosen if new.aside else session_id, version)
            if await self._write(held, event, guard):
                return held.session

    async def get(self, session_id: str) -> Session:
        """Return a session by its whole id."""
        return (await load_session(self._store, self.owner, session_id)).session

    async def find(self, text: str) -> str:
        """Return the id of the session that is called so, or whose id begins so.

        Raises:
            SessionNotFound: none fits, or several do.
        """
        return await find_session(self._store, self.owner, text)

    async def current(self) -> Session | None:
        """Return the session that work belongs to if nothing else is said, if there is one."""
        chosen = await session_for(self._store, owner=self.owner)
        return await self.get(chosen) if chosen else None

    async def switch(self, session_id: str) -> Session:
        """Make an open session the current one."""
        while True:
            _, version = await current_id(self._store, self.owner)
            session = (await self._open(session_id)).session
            put = self._chosen(session_id, version)
            if await write_all(self._store, [put]) is None:
                return session

    async def note(self, session_id: str, text: str, *, task: str = "") -> Session:
        """Write something down, about a task if one is named."""
        checks.check_said(text, "the note")
        return await self._add(session_id, Noted(**self._stamp(), text=text, task=task))

    async def decide(
        self,
        session_id: str,
        text: str,
        *,
        reason: str = "",
        alternatives: Sequence[str] = (),
        task: str = "",
    ) -> Session:
        """Write down what was decided, why, and what else was weighed."""
        checks.check_said(text, "the decision")
        for each in alternatives:
            checks.check_said(each, "an alternative")
        checks.check_long(reason, "the reason")
        event = Decided(
            **self._stamp(), text=text, reason=reason, alternatives=list(alternatives), task=task
        )
        return await self._add(session_id, event)

    async def rescope(self, session_id: str, change: ScopeChange) -> Session:
        """Change what belongs to the work; how it was before stays in the history."""
        checks.check_scope(change)
        event = ScopeChanged(
            **self._stamp(),
            includes=list(change.includes),
            excludes=list(change.excludes),
            drop=list(change.drop),
            goal=change.goal,
            reason=change.reason,
        )
        return await self._add(session_id, event)

    async def set_context(
        self,
        session_id: str,
        values: Mapping[str, object],
        *,
        files: Sequence[str] = (),
        forget: Sequence[str] = (),
        task: str = "",
    ) -> Session:
        """Merge values into the context by name, None takes one out; note files that were worked on."""
        checks.check_context(values, (*files, *forget))
        event = ContextSet(
            **self._stamp(), values=dict(values), files=list(files), forget=list(forget), task=task
        )
        return await self._add(session_id, event)

    async def end(self, session_id: str, summary: str = "") -> Session:
        """Bring a session to an end. Its open tasks stay open, and are named in `left`."""
        checks.check_long(summary, "the summary")
        while True:
            chosen, version = await current_id(self._store, self.owner)
            held = await self._open(session_id)
            wanted = Filter(session=session_id, states=OPEN_STATES)
            left = [each.id async for each in every_task(self._store, self.owner, wanted)]
            event = Ended(
                **self._stamp(), summary=summary, left=left[:_LEFT_NAMED], left_count=len(left)
            )
            guard = self._chosen("", version) if chosen == session_id else None
            if await self._write(held, event, guard):
                return held.session

    async def list(
        self, state: SessionState | None = None, *, limit: int | None = None
    ) -> SessionPage:
        """Return the newest sessions that fit."""
        found: list[Session] = []
        more = 0
        async for session_id, _ in ids_by_time(self._store, self.owner):
            if state is None and limit is not None and len(found) >= limit:
                more += 1
                continue
            session = await self.get(session_id)
            if state not in (None, session.state):
                continue
            if limit is not None and len(found) >= limit:
                more += 1
            else:
                found.append(session)
        current = await session_for(self._store, owner=self.owner)
        return SessionPage(sessions=found, more=more, current=current)

    async def story(self, session_id: str) -> Story:
        """Return a session with all that happened in it."""
        await load_session(self._store, self.owner, session_id)
        entries = await self._store.read(session_log(session_id))
        return tell(session_id, (entry.value for entry in entries))

    async def repair(self, *, dry_run: bool = False) -> RepairedSessions:
        """Make the records of all owners anew from the logs, as after a merge of two clones."""
        return await repair(self._store, dry_run=dry_run)

    def _stamp(self) -> Stamp:
        return Stamp(at=self._clock.now_ms(), by=self.actor.by, via=self.actor.via)

    def _chosen(self, session_id: str, version: int) -> Put:
        return Put(key=current_key(self.owner), value=session_id.encode(), expected=version)

    async def _refuse_twin(self, name: str) -> None:
        async for session_id, other in ids_by_time(self._store, self.owner):
            if other == name and (await self.get(session_id)).is_open:
                raise SessionConflict(
                    f"the session {name!r} ({session_id[:8]}) is open",
                    hint=f"go on with it: `holdfast session switch {session_id[:8]}`;"
                    " or take another name",
                )

    async def _open(self, session_id: str) -> Held:
        held = await load_session(self._store, self.owner, session_id)
        if not held.session.is_open:
            raise SessionConflict(
                f"the session {held.session.name!r} ({session_id[:8]}) has ended",
                hint="start another one; what this one says stays as it is",
            )
        return held

    async def _add(self, session_id: str, event: SessionEvent) -> Session:
        while True:
            held = await self._open(session_id)
            if await self._write(held, event):
                return held.session

    async def _write(self, held: Held, event: SessionEvent, guard: Put | None = None) -> bool:
        """Let the event happen to a session as it was read; False if somebody came between."""
        before, base = held.fold.session, held.fold.tail
        data = encode_event(event, held.fold.prev)
        held.fold.take(data)
        snapshot = held.fold.snapshot()
        session = snapshot.session
        if isinstance(event, Started | ScopeChanged | ContextSet):
            checks.check_size(before, snapshot)
        batch: list[Operation] = [] if guard is None else [guard]
        batch += (
            Append(log=session_log(session.id), entries=[data], expected=base),
            Put(
                key=session_key(self.owner, session.id),
                value=encode_snapshot(snapshot),
                expected=held.version,
            ),
        )
        if before is None:
            name = session.name.encode("utf-8", "surrogatepass")
            batch.append(Put(key=time_key(session), value=name, expected=ANY))
        conflict = await write_all(self._store, batch)
        if conflict is None:
            return True
        # A store that cannot batch may have appended already: the record is brought up by the next.
        return not can_batch(self._store) and conflict.index > (guard is not None)
