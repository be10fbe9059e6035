"""Which session new work belongs to, for those who make tasks."""

from __future__ import annotations

from holdfast.storage.seam import Store
from holdfast.tasks.record import LOCAL_OWNER
from holdfast.tasks.sessions.loading import current_id, find_session, read_session


async def session_for(store: Store, *, owner: str = LOCAL_OWNER, named: str | None = None) -> str:
    """Return the id of the session that is called `named`; without a name that of the current one.

    It is empty if no session is the current one.

    Raises:
        SessionNotFound: no session is called so, or several are.
    """
    if named:
        return await find_session(store, owner, named)
    chosen, _ = await current_id(store, owner)
    held = await read_session(store, owner, chosen) if chosen else None
    return chosen if held and held.session.is_open else ""
