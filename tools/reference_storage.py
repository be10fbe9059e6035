"""The page of what stands in the store: its layout, the states of a run, the events of its log."""

from dataclasses import MISSING, fields
from typing import Any

from holdfast.engine import records
from holdfast.tasks import events, keys
from holdfast.tasks.events import Event
from holdfast.tasks.state import TRANSITIONS, TaskState
from holdfast.testing import storage as contract
from holdfast.testing.storage import machine
from tools.reference_text import code, docstring, table


def storage_page() -> list[str]:
    """Return the parts of the page."""
    parts = [
        "# The store",
        (
            "The default is a journal in the folder `.holdfast` of the project. Beside it "
            "`.holdfast/processes/` holds an empty locked file for each process that works on runs."
        ),
        "## Records and logs",
        "A run is a task; tasks are kept like this:",
        _layout(docstring(keys)),
        "Beside them the engine keeps:",
        _layout(docstring(records)),
        "Derived records can be worked out again from the logs: `holdfast task repair`.",
        "## States of a task",
        table(("state", "may be followed by"), [(code(each), _after(each)) for each in TaskState]),
        (
            "`holdfast list` and `holdfast show` say `interrupted` for a run that is `pending` or `working` "
            "and that no live process holds."
        ),
        "## Events",
        (
            "The log of a task is made of these, each one JSON object with its name in the member `event` and "
            "in `prev` the digest of the entry before it. The engine adds those of steps. `at` is in milliseconds of the epoch. Members that have their default are left out."
        ),
    ]
    rows = [(code(kind.kind), _event_members(kind), docstring(kind)) for kind in all_events()]
    return [*parts, table(("event", "members", "meaning"), rows), *_contract_parts()]


def all_events() -> list[type[Event]]:
    """Return the kinds of events that are ours."""
    known = events._KINDS.values()  # noqa: SLF001 - the one list of them
    return [kind for kind in known if kind.__module__.startswith("holdfast.")]


def contract_classes() -> list[type]:
    """Return the classes of the contract that a backend inherits."""
    named = [getattr(contract, name) for name in contract.__all__ if name.endswith("Contract")]
    return [*named, machine.MachineContract]


def _contract_parts() -> list[str]:
    rows = [
        (code(each.__name__), str(_rules(each)), docstring(each)) for each in contract_classes()
    ]
    return [
        "## The contract of a backend",
        (
            "Every backend passes these tests of `holdfast.testing.storage`, whose docstring shows how a backend "
            "of your own inherits them. A rule is a test function; many of them run with several values."
        ),
        table(("class", "rules", "what they hold a store to"), rows),
    ]


def _rules(kind: type) -> int:
    return sum(name.startswith("test_") for name in dir(kind))


def _event_members(kind: type[Event]) -> str:
    every = fields(kind)
    return ", ".join(code(each.name) + ("" if _is_required_member(each) else "?") for each in every)


def _is_required_member(member: Any) -> bool:
    return member.default is MISSING and member.default_factory is MISSING


def _after(state: TaskState) -> str:
    following = sorted(TRANSITIONS[state])
    return ", ".join(map(code, following)) or "nothing: it never changes again"


def _layout(text: str) -> str:
    """Return the table that the module keeps in its docstring."""
    lines = text.splitlines()
    ruler = [number for number, line in enumerate(lines) if line.startswith("====")]
    width = lines[ruler[0]].index(" ")
    rows = []
    for line in lines[ruler[0] + 1 : ruler[1]]:
        name, meaning = line[:width].strip(), line[width:].strip()
        rows.append((name.replace("``", "`"), meaning))
    return table(("where", "what"), rows)
