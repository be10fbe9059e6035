"""Where sessions are kept. Every part of a key stands alone, so no owner can forge another's.

==============================================  ================================================
log ``("session", id)``                         the events of the session: the truth
record ``("session", owner, id)``               the `Snapshot`
record ``("session-by-time", owner, time, id)``  the name; keys sort newest first
record ``("session-current", owner)``           the id of the current session, or nothing
==============================================  ================================================

The tasks of a session name it by its id, see `holdfast.tasks.keys`.
"""

from __future__ import annotations

from holdfast.storage.seam import Key
from holdfast.tasks.keys import newest_first
from holdfast.tasks.sessions.record import Session


def session_log(session_id: str) -> Key:
    """Return the name of the log of a session."""
    return ("session", session_id)


def session_key(owner: str, session_id: str) -> Key:
    """Return the key of the record of a session."""
    return ("session", owner, session_id)


def time_key(session: Session) -> Key:
    """Return a key that sorts newer sessions before older ones."""
    return ("session-by-time", session.owner, newest_first(session.started_at), session.id)


def current_key(owner: str) -> Key:
    """Return the key of what says which session is the current one."""
    return ("session-current", owner)
