"""The shape of a workflow file, as pydantic models: what editors complete and the loader checks first."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, JsonValue, Tag
from pydantic_core import PydanticCustomError

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
MOST_SECONDS = 3650 * 86_400

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_NAMED: dict[str, JsonValue] = {"propertyNames": {"pattern": NAME_PATTERN}}


def _plain(expected: str) -> PydanticCustomError:
    return PydanticCustomError("plain", "{expected}", {"expected": expected})


def parse_duration(value: object) -> float:
    """Return the seconds of `30`, `"500ms"`, `"30s"`, `"5m"`, `"2h"` or `"1d"`."""
    if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
        value = float(found[1]) * _SECONDS[found[2]]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _plain("must be a time such as 30, '500ms', '30s', '5m', '2h' or '1d'")
    if not math.isfinite(value) or not 0 <= value <= MOST_SECONDS:
        raise _plain("must be a time between 0 and 3650 days")
    return float(value)


def _some_time(value: object) -> float:
    seconds = parse_duration(value)
    if seconds == 0:
        raise _plain("must be longer than 0 seconds")
    return seconds


def _type_or_name(value: object) -> object:
    """Let `str` stand for `{type: str}`."""
    if isinstance(value, str):
        return {"type": value}
    if not isinstance(value, dict | BaseModel):
        raise _plain("must be a type, such as 'str' or '{type: list, items: str}'")
    return cast("object", value)


def _choices(value: object) -> object:
    items = cast("list[object]", value) if isinstance(value, list) else []
    if not items or not all(
        isinstance(each, str | int) and not isinstance(each, bool) for each in items
    ):
        raise _plain("must be a list of texts or whole numbers, such as [low, high]")
    return items


def _outputs(value: object) -> object:
    if isinstance(value, str):
        return value
    members = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    if not members or not all(isinstance(each, str) for each in members.values()):
        raise _plain("must be a state field, or 'field: member of the result' pairs")
    return members


def _targets(value: object) -> object:
    names = cast("list[object]", value) if isinstance(value, list) else [value]
    if not names or not all(isinstance(each, str) for each in names):
        raise _plain("must be the name of a node, or a list of names")
    return cast("object", value)


Duration: TypeAlias = Annotated[
    float, BeforeValidator(_some_time, json_schema_input_type=float | str)
]
Wait: TypeAlias = Annotated[
    float, BeforeValidator(parse_duration, json_schema_input_type=float | str)
]


class Strict(BaseModel):
    """Base of all: unknown fields are errors and nothing is converted silently."""

    # only the whole is built, and only when a file is read: five times quicker to import
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class TypeSpec(Strict):
    """A type, with what belongs to it. A bare name such as `str` or `list[str]` will do as well."""

    type: str = Field(
        description="str, int, float, bool, any, list, list[T], dict, dict[T], object or enum; "
        "a '?' at the end allows null.",
    )
    description: str = Field(default="", description="What it means, for people and for models.")
    items: TypeOrName | None = Field(
        default=None, description="The type of the items of a list or the values of a dict."
    )
    fields: dict[str, TypeOrName] | None = Field(
        default=None, description="The members of an object.", json_schema_extra=_NAMED
    )
    values: Annotated[list[str | int], BeforeValidator(_choices)] | None = Field(
        default=None, description="The choices of an enum."
    )


class InputSpec(TypeSpec):
    """An input of the workflow: a type and perhaps a default, without which it must be given."""

    default: Any = Field(default=None, description="The value when none is given.")


class StateSpec(TypeSpec):
    """A state field: a type, perhaps a default, and how results are joined into it."""

    default: Any = Field(default=None, description="The value before any node has written it.")
    reducer: Literal["replace", "append", "merge"] = Field(
        default="replace",
        description="How a result is joined: replace the value, append to a list, merge members.",
    )


TypeOrName: TypeAlias = Annotated[
    TypeSpec, BeforeValidator(_type_or_name, json_schema_input_type="str | TypeSpec")
]
InputOrName: TypeAlias = Annotated[
    InputSpec, BeforeValidator(_type_or_name, json_schema_input_type=str | InputSpec)
]
StateOrName: TypeAlias = Annotated[
    StateSpec, BeforeValidator(_type_or_name, json_schema_input_type=str | StateSpec)
]


class RetrySpec(Strict):
    """How often a failing step is tried, and how long it rests in between."""

    attempts: int | None = Field(
        default=None, ge=1, le=100, description="Tries in all. Default: 3 for models, 1 otherwise."
    )
    wait: Wait = Field(default=1.0, description="The rest after the first failure.")
    factor: float = Field(default=2.0, ge=1, le=100, description="How much longer each rest is.")
    max_wait: Wait = Field(default=60.0, description="The longest rest.")


class MapSpec(Strict):
    """Run the node once for every item of a list."""

    over: str = Field(description="An expression for a list, such as 'state.documents'.")
    name: str = Field(
        alias="as",
        pattern=NAME_PATTERN,
        description="The name of the item in templates: 'document' makes {document.text}.",
    )
    concurrency: int = Field(default=4, ge=1, le=1_000, description="How many run at once.")


class NodeSpec(Strict):
    """What every node may say."""

    output: Annotated[str | dict[str, str], BeforeValidator(_outputs)] | None = Field(
        default=None,
        description="The state field that gets the result, or 'field: member of the result' "
        "pairs. Without it the result is dropped.",
    )
    returns: TypeOrName | None = Field(
        default=None, description="The type of the result (of one item's result under a map)."
    )
    map: MapSpec | None = Field(default=None, description="Run once for every item of a list.")
    retry: RetrySpec | None = Field(default=None, description="What to do when it fails.")
    timeout: Duration | None = Field(
        default=None, description="The longest one attempt may take: 30, '30s', '5m', '2h', '1d'."
    )
    once: bool = Field(default=False, description="Never run it twice, not even after a crash.")


class ModelSpec(NodeSpec):
    """Ask a model."""

    kind: Literal["model"] = Field(description="Ask a model.")
    prompt: str = Field(description="What to ask; {state.field} and {inputs.name} are filled in.")
    system: str | None = Field(default=None, description="The system prompt.")
    model: str | None = Field(
        default=None, description="The model; default: that of the workflow or the settings."
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="0 is the most repeatable."
    )
    max_tokens: int | None = Field(
        default=None, ge=1, le=10_000_000, description="The longest answer, in tokens."
    )


class ToolSpec(NodeSpec):
    """Call a tool."""

    kind: Literal["tool"] = Field(description="Call a tool.")
    tool: str = Field(description="The name of the tool, such as read_files.")
    arguments: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="Its arguments; texts are filled in."
    )


class PythonSpec(NodeSpec):
    """Call a Python function."""

    kind: Literal["python"] = Field(description="Call a Python function.")
    call: str = Field(description="The function, as 'package.module:function'.")
    arguments: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="Its arguments by name; texts are filled in."
    )


class HumanSpec(NodeSpec):
    """Ask a person and wait for the answer."""

    kind: Literal["human"] = Field(description="Ask a person and wait.")
    ask: str = Field(description="The question; {state.field} and {inputs.name} are filled in.")


AnyNode: TypeAlias = ModelSpec | ToolSpec | PythonSpec | HumanSpec
NODE_MODELS: dict[str, type[NodeSpec]] = {
    "model": ModelSpec,
    "tool": ToolSpec,
    "python": PythonSpec,
    "human": HumanSpec,
}


class EdgeSpec(Strict):
    """A way from one node to others. A chain of names, 'start -> read -> end', will do as well."""

    source: str = Field(alias="from", description="The node it leaves, or 'start'.")
    to: Annotated[str | list[str], BeforeValidator(_targets)] = Field(
        description="The node it leads to, or 'end'; a list starts several at once."
    )
    when: str | None = Field(
        default=None,
        description="Take it only if this holds, such as state.verdict == 'no'.",
    )
    otherwise: bool = Field(default=False, description="Take it if no condition beside it holds.")
    limit: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Closes a loop: taken at most this often."
    )


def _edge_shape(value: object) -> str:
    return "chain" if isinstance(value, str) else "edge"


EdgeOrChain: TypeAlias = Annotated[
    Annotated[str, Tag("chain")] | Annotated[EdgeSpec, Tag("edge")], Discriminator(_edge_shape)
]


class WorkflowSpec(Strict):
    """A Holdfast workflow."""

    model_config = ConfigDict(title="Holdfast workflow", extra="forbid", strict=True)

    name: str = Field(pattern=NAME_PATTERN, description="A short name, like an identifier.")
    version: str = Field(default="", description="Your version of it, as text.")
    description: str = Field(default="", description="What it does, for people.")
    model: str | None = Field(default=None, description="The default model of its model nodes.")
    timeout: Duration | None = Field(
        default=None, description="The longest a whole run may take: 600, '10m', '2h', '1d'."
    )
    inputs: dict[str, InputOrName] = Field(
        default_factory=dict[str, InputSpec],
        description="What a run is given: name to type.",
        json_schema_extra=_NAMED,
    )
    state: dict[str, StateOrName] = Field(
        default_factory=dict[str, StateSpec],
        description="What nodes write and read: name to type.",
        json_schema_extra=_NAMED,
    )
    nodes: dict[str, Annotated[AnyNode, Field(discriminator="kind")]] = Field(
        min_length=1, description="The work: name to node.", json_schema_extra=_NAMED
    )
    edges: list[EdgeOrChain] | None = Field(
        default=None,
        description="What follows what. Without it the nodes run in the order written.",
    )
    output: Any = Field(
        default=None, description="The result of the run; default: the whole final state."
    )


def json_schema_of_workflow() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a workflow file, for editors."""
    schema: dict[str, object] = WorkflowSpec.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
