"""Say in plain words what pydantic found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from pydantic_core import ErrorDetails

from holdfast.agents.positions import Path
from holdfast.agents.problems import did_you_mean
from holdfast.agents.report import Report
from holdfast.agents.schema import (
    NODE_MODELS,
    EdgeSpec,
    InputSpec,
    MapSpec,
    RetrySpec,
    StateSpec,
    Strict,
    TypeSpec,
    WorkflowSpec,
)
from holdfast.agents.templates import ROOTS

KINDS = tuple(NODE_MODELS)
KIND_WORDS = "model, tool, python or human"

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "names with values",
    "model_type": "fields with values",
    "model_attributes_type": "fields with values",
}


def path_of(loc: tuple[str | int, ...]) -> Path:
    """Drop from pydantic's location what is not in the file: the tag of a union."""
    if len(loc) > 2 and loc[0] in {"nodes", "edges"}:
        return (*loc[:2], *loc[3:])
    return loc


def fields_of(model: type[Strict]) -> list[str]:
    """Return the names that a model has in the file."""
    return [info.alias or name for name, info in model.model_fields.items()]


def model_at(loc: tuple[str | int, ...]) -> type[Strict]:
    """Return the model that reads the fields at a location of pydantic's."""
    match loc:
        case ():
            return WorkflowSpec
        case ("edges", *_):
            return EdgeSpec
        case ("nodes", _, kind):
            return NODE_MODELS[cast("str", kind)]
        case ("nodes", _, _, "retry"):
            return RetrySpec
        case ("nodes", _, _, "map"):
            return MapSpec
        case ("inputs", _):
            return InputSpec
        case ("state", _):
            return StateSpec
        case _:
            return TypeSpec


_NAMED = {"nodes": "node", "inputs": "input", "state": "state field"}


def label(path: Path) -> str:
    """Name a part of the file: `'timeout' of node 'read'`."""
    match path:
        case ():
            return "a workflow"
        case ("nodes" | "inputs" | "state" as section, name):
            return f"{_NAMED[section]} {name!r}"
        case ("edges", int(index)):
            return f"edge {index + 1}"
        case (*around, last):
            name = f"item {last + 1}" if isinstance(last, int) else repr(last)
            return f"{name} of {label(tuple(around))}" if around else name
        case _:
            return "this"


def shown(value: object) -> str:
    """Show a wrong value as the file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}…"
    if value is None:
        return "null"
    return "a list" if isinstance(value, list) else "names with values"


def bare_reference(value: object) -> str:
    """Return `{state.x}` if that was written without quotes, which YAML takes for fields."""
    if not isinstance(value, Mapping) or len(cast("Mapping[str, object]", value)) != 1:
        return ""
    ((name, inner),) = cast("Mapping[str, object]", value).items()
    is_reference = inner is None and name.partition(".")[0].partition("[")[0] in ROOTS
    return f"{{{name}}}" if is_reference else ""


def report_error(error: ErrorDetails, report: Report) -> None:
    """Add one of pydantic's errors to the report, in plain words."""
    path, loc = path_of(error["loc"]), error["loc"]
    match error["type"]:
        case "missing":
            report.add(path[:-1], f"{label(path[:-1])} needs {path[-1]!r}", key=True)
        case "extra_forbidden":
            message = f"unknown field {path[-1]!r}"
            report.add(path, message, _field_hint(str(path[-1]), loc[:-1]), key=True)
        case "union_tag_invalid":
            kind = cast("Mapping[str, object]", error["input"])["kind"]
            hint = did_you_mean(str(kind), KINDS) or f"the kinds are {KIND_WORDS}"
            report.add((*path, "kind"), f"unknown kind {shown(kind)} of {label(path)}", hint)
        case "union_tag_not_found":
            report.add(path, f"{label(path)} needs 'kind'", KIND_WORDS, key=True)
        case "model_type" if len(path) == 2:
            report.add(path, f"{label(path)} must be a chain such as 'a -> b', or 'from' and 'to'")
        case "too_short":
            report.add(path, "a workflow needs at least one node")
        case _:
            report.add(path, f"{label(path)} {_must(error)}", _value_hint(error))


def _field_hint(name: str, around: tuple[str | int, ...]) -> str:
    model = model_at(around)
    known = fields_of(model)
    if near := did_you_mean(name, known):
        return near
    kinds = [kind for kind, each in NODE_MODELS.items() if name in fields_of(each)]
    if model in NODE_MODELS.values() and kinds:
        return f"it belongs to nodes of kind {_or(kinds)}"
    return f"the fields are {', '.join(known)}"


def _or(words: Iterable[str]) -> str:
    return " or ".join(words)


def _must(error: ErrorDetails) -> str:
    context, value = error.get("ctx", {}), error["input"]
    match error["type"]:
        case "plain":
            return str(context["expected"])
        case "greater_than_equal":
            return f"must be at least {context['ge']:g}, not {shown(value)}"
        case "less_than_equal":
            return f"must be at most {context['le']:g}, not {shown(value)}"
        case "string_pattern_mismatch":
            return f"must be a name of letters, digits and '_', not {shown(value)}"
        case "literal_error":
            return f"must be {str(context['expected']).replace(chr(39), '')}, not {shown(value)}"
        case kind:
            expected = _EXPECTED.get(kind, "something else")
            return (
                f"must be {expected}, {'but is empty' if value is None else f'not {shown(value)}'}"
            )


def _value_hint(error: ErrorDetails) -> str:
    value = error["input"]
    if error["type"] == "string_type" and isinstance(value, bool | int | float):
        return f'put it in quotes: "{shown(value)}"'
    if error["type"] == "string_type" and (reference := bare_reference(value)):
        return f'put it in quotes: "{reference}"'
    if error["type"] == "literal_error" and isinstance(value, str):
        expected = str(error.get("ctx", {}).get("expected", ""))
        return did_you_mean(value, expected.replace("'", "").replace(" or ", ", ").split(", "))
    return ""
