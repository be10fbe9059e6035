"""Modules that are loaded when something of them is first used.

For modules that name many others of which a command needs a few::

    if TYPE_CHECKING:
        from holdfast.tasks import linking
    else:
        linking = Late("holdfast.tasks.linking")
"""

from __future__ import annotations

from importlib import import_module


class Late:
    """What stands for a module until it is needed, and gives its members from then on."""

    def __init__(self, name: str) -> None:
        self.__module = name

    def __getattr__(self, name: str) -> object:
        member = getattr(import_module(self.__module), name)
        setattr(self, name, member)  # the next time nobody asks here
        return member
