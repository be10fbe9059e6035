"""What agents and people should remember: written once, superseded rather than overwritten.

`Memories` is the whole of it, on any store; `Memory` one namespace of it as a mapping.
"""

from __future__ import annotations

from holdfast.memory.belief import State
from holdfast.memory.drafts import Draft
from holdfast.memory.entry import Entry, Kind, Provenance, Standing
from holdfast.memory.events import Change, Event
from holdfast.memory.memories import Known, Memories
from holdfast.memory.namespaces import PROJECT, Level, Namespace, parse_namespace
from holdfast.memory.priming import LeftOut, Primed
from holdfast.memory.snapshot import Memory
from holdfast.memory.writing import Written

__all__ = [
    "PROJECT",
    "Change",
    "Draft",
    "Entry",
    "Event",
    "Kind",
    "Known",
    "LeftOut",
    "Level",
    "Memories",
    "Memory",
    "Namespace",
    "Primed",
    "Provenance",
    "Standing",
    "State",
    "Written",
    "parse_namespace",
]
