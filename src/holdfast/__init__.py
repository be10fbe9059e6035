"""Holdfast: a local-first runtime for agents that finish what they start.

The names below are the public surface; each is loaded when it is first asked for, so that
`import holdfast` costs nothing. Everything else is reached through its own module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from holdfast.tasks.kinds import find_late

if TYPE_CHECKING:
    from holdfast.app.memories import open_memories
    from holdfast.app.runtime import Runtime, open_runtime
    from holdfast.engine.attempts import current_step
    from holdfast.engine.retry import Retry
    from holdfast.engine.seam import Engine, Program, RunContext
    from holdfast.errors import HoldfastError
    from holdfast.memory import Memory
    from holdfast.settings import Settings, load_settings
    from holdfast.storage import Store, open_store
    from holdfast.tasks.state import TaskState

__version__ = "0.1.0"

__all__ = [
    "Engine",
    "HoldfastError",
    "Memory",
    "Program",
    "Retry",
    "RunContext",
    "Runtime",
    "Settings",
    "Store",
    "TaskState",
    "current_step",
    "load_settings",
    "open_memories",
    "open_runtime",
    "open_store",
]

_HOMES = {
    "Engine": "engine.seam",
    "HoldfastError": "errors",
    "Memory": "memory",
    "Program": "engine.seam",
    "Retry": "engine.retry",
    "RunContext": "engine.seam",
    "Runtime": "app.runtime",
    "Settings": "settings",
    "Store": "storage",
    "TaskState": "tasks.state",
    "current_step": "engine.attempts",
    "load_settings": "settings",
    "open_memories": "app.memories",
    "open_runtime": "app.runtime",
    "open_store": "storage",
}


def __getattr__(name: str) -> object:
    """Load a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    return getattr(import_module(f"holdfast.{_HOMES[name]}"), name)


# Logs of tasks hold events of the engine; whoever reads one has loaded this package.
find_late(
    lambda: import_module("holdfast.engine.events"),
    "redefined",
    "step_finished",
    "step_started",
    "timer_set",
)
