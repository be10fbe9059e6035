"""Sessions: named pieces of work in a project, which anybody can take up again.

    from holdfast.tasks.sessions import NewSession, Sessions

`Sessions` has the verbs, `Session` is the record, `take_up` tells how the work stands within a number
of characters. Names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.tasks.sessions.current import session_for
    from holdfast.tasks.sessions.fold import Story
    from holdfast.tasks.sessions.record import Scope, Session, SessionState, Touch
    from holdfast.tasks.sessions.requests import NewSession, ScopeChange
    from holdfast.tasks.sessions.resuming import Resume, take_up
    from holdfast.tasks.sessions.service import Sessions

__all__ = [
    "NewSession",
    "Resume",
    "Scope",
    "ScopeChange",
    "Session",
    "SessionState",
    "Sessions",
    "Story",
    "Touch",
    "session_for",
    "take_up",
]

_PLACES = {
    "NewSession": "requests",
    "Resume": "resuming",
    "Scope": "record",
    "ScopeChange": "requests",
    "Session": "record",
    "SessionState": "record",
    "Sessions": "service",
    "Story": "fold",
    "Touch": "record",
    "session_for": "current",
    "take_up": "resuming",
}


def __getattr__(name: str) -> object:
    """Load what is asked for: a command that needs one thing pays for one thing."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
