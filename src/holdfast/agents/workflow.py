"""What a workflow file says, once it has been read and checked: records that cannot change.

`agents.load` makes them out of YAML, `agents.plan` works out the graph, `agents.run` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from holdfast.agents.expressions import Expression
from holdfast.agents.templates import Argument, Template
from holdfast.agents.types import Type
from holdfast.engine.retry import ONE_TRY, Retry

START = "start"
END = "end"

Reducer = Literal["replace", "append", "merge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """An input or a state field. Without `has_default` an input must be given."""

    name: str
    type: Type
    default: object = None
    has_default: bool = False
    description: str = ""
    reducer: Reducer = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """Run the node once an item of `over` (an expression for a list), at most `concurrency` at once."""

    over: Expression
    name: str
    concurrency: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where the result of a node goes: state `field` gets the result, or its member `key`."""

    field: str
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCommon:
    """What every node may say. `returns` is the type of one result (one item's, under a map)."""

    name: str
    returns: Type
    outputs: tuple[Output, ...] = ()
    map: Map | None = None
    retry: Retry = ONE_TRY
    timeout: float | None = None
    once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelNode(NodeCommon):
    """Ask a model. `model` None means the default of the workflow or of the settings."""

    prompt: Template
    system: Template | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolNode(NodeCommon):
    """Call a tool of the registry."""

    tool: str
    arguments: Mapping[str, Argument] = field(default_factory=dict[str, Argument])


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonNode(NodeCommon):
    """Call a function of an importable module, named `module:function`."""

    call: str
    arguments: Mapping[str, Argument] = field(default_factory=dict[str, Argument])


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanNode(NodeCommon):
    """Ask a person and wait, for days if need be."""

    ask: Template


Node = ModelNode | ToolNode | PythonNode | HumanNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A way from one node to another.

    Of the edges with `when` that leave a node the first whose condition holds is taken, and the
    one marked `otherwise` if none does. Edges with neither are always taken. An edge with a
    `limit` closes a loop: it is taken at most that often (counted anew each time a loop around
    it goes round), and where it is taken the other edges of the node are not.
    """

    source: str
    target: str
    when: Expression | None = None
    otherwise: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A whole workflow. `source` is the text of its file and `digest` the SHA-256 of that text."""

    name: str
    source: str
    digest: str
    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    version: str = ""
    description: str = ""
    inputs: Mapping[str, Field] = field(default_factory=dict[str, Field])
    state: Mapping[str, Field] = field(default_factory=dict[str, Field])
    output: Argument | None = None
    model: str | None = None
    timeout: float | None = None
