"""Tasks: pieces of work with one table of states, shared by people, agents and the engine.

    from holdfast.tasks import Actor, NewTask, Tasks

`Tasks` has the verbs, `Task` is the record, `docs/explanation/what-a-task-is.md` says how it hangs together.
Names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.tasks.listing import Page, Stats
    from holdfast.tasks.reading import Happening
    from holdfast.tasks.record import (
        LOCAL_OWNER,
        Dependency,
        InputRequest,
        Lease,
        Progress,
        Relation,
        RunDetails,
        Task,
        Variable,
        Visibility,
    )
    from holdfast.tasks.repairing import Repaired
    from holdfast.tasks.requests import Actor, Changes, Filter, Limits, NewTask
    from holdfast.tasks.service import Tasks
    from holdfast.tasks.state import TaskState
    from holdfast.tasks.summaries import Summary
    from holdfast.tasks.sweeping import Swept
    from holdfast.tasks.variables import VariableChange, VariableConflict, VariableConflicts

__all__ = [
    "LOCAL_OWNER",
    "Actor",
    "Changes",
    "Dependency",
    "Filter",
    "Happening",
    "InputRequest",
    "Lease",
    "Limits",
    "NewTask",
    "Page",
    "Progress",
    "Relation",
    "Repaired",
    "RunDetails",
    "Stats",
    "Summary",
    "Swept",
    "Task",
    "TaskState",
    "Tasks",
    "Variable",
    "VariableChange",
    "VariableConflict",
    "VariableConflicts",
    "Visibility",
]

_MODULES = {
    "listing": ("Page", "Stats"),
    "reading": ("Happening",),
    "record": (
        *("LOCAL_OWNER", "Dependency", "InputRequest", "Lease", "Progress", "Relation"),
        *("RunDetails", "Task", "Variable", "Visibility"),
    ),
    "repairing": ("Repaired",),
    "requests": ("Actor", "Changes", "Filter", "Limits", "NewTask"),
    "service": ("Tasks",),
    "state": ("TaskState",),
    "summaries": ("Summary",),
    "sweeping": ("Swept",),
    "variables": ("VariableChange", "VariableConflict", "VariableConflicts"),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Load what is asked for: a command that shows one thing pays for one thing."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
