"""Where to find kinds of events that a layer above adds, until a log holds one of them.

So a command that reads no log does not load the engine, and one that does understands its events.
"""

from __future__ import annotations

from collections.abc import Callable

_LATE: dict[str, Callable[[], object]] = {}


def find_late(load: Callable[[], object], *names: str) -> None:
    """Let `load` be called when a log first holds an event with one of the names.

    It makes the kinds known, by `holdfast.tasks.events.register`.
    """
    for name in names:
        _LATE[name] = load


def load_kind(name: str) -> None:
    """Make a kind of events known if somebody said where it is."""
    if load := _LATE.pop(name, None):
        load()
