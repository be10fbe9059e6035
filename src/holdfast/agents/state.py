"""The state of a run as each node sees it: what happened before it, and nothing else. Pure.

Every node gets a `View`: the updates of all nodes that lie before it on the ways that were taken.
Where branches meet, their updates are joined in the order of the edges in the file, each branch's
own updates in their own order. So what a node sees never depends on which branch was faster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from holdfast.agents.types import assignable
from holdfast.agents.workflow import Field, Node, Output, Workflow
from holdfast.errors import StepError

State = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """One field that one node wrote, as its reducer takes it (`append` takes a list)."""

    field: str
    value: object


@dataclass(frozen=True, slots=True)
class _Link:
    bit: int
    changes: Sequence[Change]
    previous: _Link | None


@dataclass(frozen=True, slots=True)
class View:
    """A state, and which updates it is made of (as bits, and as a chain in their order)."""

    state: State
    mask: int = 0
    last: _Link | None = None


class Views:
    """Make views of one run."""

    def __init__(self, workflow: Workflow) -> None:
        self._fields = workflow.state
        self._next_bit = 1

    def initial(self) -> View:
        """Return the view before anything has run: the defaults of the state fields."""
        fields = self._fields.values()
        return View({field.name: field.default for field in fields if field.has_default})

    def update(self, view: View, changes: Sequence[Change]) -> View:
        """Return the view after a node that saw `view` has written `changes`."""
        if not changes:
            return view
        self._next_bit <<= 1
        return self._apply(view, self._next_bit, changes)

    def join(self, views: Sequence[View]) -> View:
        """Return the view behind several ways, in their order."""
        joined = views[0]
        for view in views[1:]:
            for link in _missing(view, joined.mask):
                joined = self._apply(joined, link.bit, link.changes)
        return joined

    def _apply(self, view: View, bit: int, changes: Sequence[Change]) -> View:
        state = dict(view.state)
        for change in changes:
            field = self._fields[change.field]
            state[field.name] = _reduce(field, state.get(field.name), change.value)
        return View(state, view.mask | bit, _Link(bit, changes, view.last))


def _missing(view: View, mask: int) -> Iterator[_Link]:
    """Yield the updates of `view` that are not in `mask`, oldest first."""
    wanted = view.mask & ~mask
    found: list[_Link] = []
    link = view.last
    while wanted and link is not None:
        if wanted & link.bit:
            wanted &= ~link.bit
            found.append(link)
        link = link.previous
    return reversed(found)


def _reduce(field: Field, old: object, new: object) -> object:
    match field.reducer:
        case "replace":
            return new
        case "append":
            return [*cast("list[object]", old or []), *cast("list[object]", new)]
        case "merge":
            return {**cast("dict[str, object]", old or {}), **cast("dict[str, object]", new)}


def changes_of(node: Node, result: object, fields: Mapping[str, Field]) -> list[Change]:
    """Return what a node's result does to the state.

    Raises:
        StepError: the result has no member that an output names.
    """
    return [
        Change(output.field, _as_change(node, fields[output.field], _picked(node, result, output)))
        for output in node.outputs
    ]


def _picked(node: Node, result: object, output: Output) -> object:
    if output.key is None:
        return result
    if node.map is not None:
        return [_pick(node, each, output.key) for each in cast("list[object]", result)]
    return _pick(node, result, output.key)


def _pick(node: Node, result: object, key: str) -> object:
    if not isinstance(result, dict) or key not in result:
        raise StepError(f"the result of {node.name!r} has no member {key!r}")
    return cast("dict[str, object]", result)[key]


def _as_change(node: Node, field: Field, value: object) -> object:
    if field.reducer != "append":
        return value
    if not isinstance(value, list):
        return [value]
    several = node.map is not None or not _is_item(node, field)
    return cast("list[object]", value if several else [value])


def _is_item(node: Node, field: Field) -> bool:
    """Whether a list that the node returns is one item of the field and not several."""
    item = field.type.item
    return item is not None and item.kind == "list" and assignable(node.returns, item)
