"""Read sessions from a store, and find them by what people call them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from holdfast.errors import SessionNotFound
from holdfast.frozen import slotted
from holdfast.ids import ID_LENGTH, normalise_prefix
from holdfast.storage.paging import every_record
from holdfast.storage.seam import ABSENT, Store
from holdfast.tasks.chains import digest
from holdfast.tasks.sessions.fold import Fold
from holdfast.tasks.sessions.keys import current_key, session_key, session_log
from holdfast.tasks.sessions.record import Session
from holdfast.tasks.sessions.snapshots import decode_snapshot

_SHOWN = 5
_LIST = "`holdfast session list` shows the sessions there are"


@slotted
class Held:
    """A session as it was read; `version` is of the stored record."""

    version: int
    fold: Fold

    @property
    def session(self) -> Session:
        """The session as it stands."""
        return self.fold.snapshot().session


async def read_session(store: Store, owner: str, session_id: str) -> Held | None:
    """Return a session as its record and the entries behind it say; None if there is none.

    A record that does not belong to its log, as after a merge of two clones, is not believed: then
    the whole log is read.
    """
    record = await store.get(session_key(owner, session_id))
    if record is None:
        return None
    stored = decode_snapshot(record.value)
    fold = Fold(session_id, stored)
    entries = await store.read(session_log(session_id), after=stored.tail - 1)
    if entries and digest(entries[0].value) == stored.last:
        entries = entries[1:]
    else:
        fold, entries = Fold(session_id), await store.read(session_log(session_id))
    for entry in entries:
        fold.take(entry.value)
    return Held(version=record.version, fold=fold)


async def load_session(store: Store, owner: str, session_id: str) -> Held:
    """Return a session.

    Raises:
        SessionNotFound: the owner has no such session.
    """
    held = await read_session(store, owner, session_id)
    if held is None:
        raise SessionNotFound(f"there is no session {session_id!r}", hint=_LIST)
    return held


async def current_id(store: Store, owner: str) -> tuple[str, int]:
    """Return what the current session is, if any is, and the version of the record that says so."""
    record = await store.get(current_key(owner))
    return (record.value.decode(), record.version) if record else ("", ABSENT)


async def ids_by_time(store: Store, owner: str) -> AsyncIterator[tuple[str, str]]:
    """Give the id and the name of each session, newest first."""
    async for record in every_record(store, ("session-by-time", owner)):
        yield record.key[3], record.value.decode("utf-8", "surrogatepass")


async def find_session(store: Store, owner: str, text: str) -> str:
    """Return the id of the session that is called so, or whose id begins so.

    A name means the open session of this name; if none is open, the only one that has ended.

    Raises:
        SessionNotFound: none fits, or several do; then the hint lists them.
    """
    known = [each async for each in ids_by_time(store, owner)]
    named = [session_id for session_id, name in known if name == text]
    if len(named) > 1:
        held = [await load_session(store, owner, each) for each in named]
        named = [each.session.id for each in held if each.session.is_open] or named
    if not named:
        prefix = normalise_prefix(text)
        named = [each for each, _ in known if prefix and each.startswith(prefix)]
        if prefix and len(prefix) == ID_LENGTH and not named:
            # The list of sessions is derived, and may lack one for a moment.
            named = [prefix] if await store.get(session_key(owner, prefix)) else []
    return _only(named, text)


def _only(ids: Sequence[str], text: str) -> str:
    if len(ids) == 1:
        return ids[0]
    if not ids:
        raise SessionNotFound(
            f"no session is called {text!r}, and no id of one starts so", hint=_LIST
        )
    more = ", …" if len(ids) > _SHOWN else ""
    raise SessionNotFound(
        f"{len(ids)} sessions are meant by {text!r}",
        hint="give one of their ids: " + ", ".join(ids[:_SHOWN]) + more,
    )
