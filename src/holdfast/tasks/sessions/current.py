"""Which session new work belongs to, for those who make tasks.

Tasks are made often, and mostly without a session: what knows more of sessions is loaded only if there
is one.
"""

from __future__ import annotations

from holdfast.storage.seam import Store
from holdfast.tasks.record import LOCAL_OWNER


async def session_for(store: Store, *, owner: str = LOCAL_OWNER, named: str | None = None) -> str:
    """Return the id of the session that is called `named`; without a name that of the current one.

    It is empty if no session is the current one.

    Raises:
        SessionNotFound: no session is called so, or several are.
    """
    record = None if named else await store.get(("session-current", owner))
    if not named and (record is None or not record.value):
        return ""
    from holdfast.tasks.sessions.loading import find_session, read_session  # noqa: PLC0415

    if named:
        return await find_session(store, owner, named)
    chosen = record.value.decode() if record else ""
    held = await read_session(store, owner, chosen)
    return chosen if held and held.session.is_open else ""
