"""Validate a file against the schema; after errors mend it, so that the rest can still be checked.

A mended part is marked as broken in the report, and a misspelt field is moved to its right name.
"""

from __future__ import annotations

from typing import cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from holdfast.agents.friendly import fields_of, model_at, path_of, report_error
from holdfast.agents.positions import Path
from holdfast.agents.problems import closest
from holdfast.agents.report import Report
from holdfast.agents.schema import WorkflowSpec

_MOST_ROUNDS = 6
_PLACEHOLDERS: dict[str, object] = {
    "prompt": "",
    "tool": "",
    "call": "",
    "ask": "",
    "returns": "any",
}


def validate(data: object, report: Report) -> WorkflowSpec | None:
    """Return the file as a model, mended where it must be, or None if there is too little of it."""
    if not isinstance(data, dict):
        report.add((), "a workflow is made of fields, such as 'name: brief' and 'nodes: …'")
        return None
    members = cast("dict[str, object]", data)
    for _ in range(_MOST_ROUNDS):
        try:
            return WorkflowSpec.model_validate(members)
        except ValidationError as error:
            _mend_all(members, error.errors(include_url=False), report)
    return None


def _mend_all(data: dict[str, object], errors: list[ErrorDetails], report: Report) -> None:
    for error in errors:
        if error["type"] == "extra_forbidden":
            report_error(error, report)
            _mend_extra(data, error["loc"], report)
    rest = [error for error in errors if not _is_settled(error, data)]
    for error in rest:
        report_error(error, report)
    for error in rest:
        _mend(data, path_of(error["loc"]), report)


def _is_settled(error: ErrorDetails, data: dict[str, object]) -> bool:
    """Whether mending the unknown fields did away with it: a missing field was there, misspelt."""
    path = path_of(error["loc"])
    found = error["type"] == "missing" and _holds(_at(data, path[:-1]), path[-1])
    return found or error["type"] == "extra_forbidden"


def _at(data: object, path: Path) -> object:
    for step in path:
        if isinstance(data, dict):
            data = cast("dict[str | int, object]", data).get(step)
        elif isinstance(data, list) and isinstance(step, int):
            data = cast("list[object]", data)[step]
        else:
            return None
    return data


def _holds(value: object, name: str | int) -> bool:
    return isinstance(value, dict) and name in value


def _mend_extra(data: dict[str, object], loc: tuple[str | int, ...], report: Report) -> None:
    path = path_of(loc)
    around = _at(data, path[:-1])
    if not isinstance(around, dict):
        return
    members, name = cast("dict[str, object]", around), str(path[-1])
    value = members.pop(name, None)
    right = closest(name, fields_of(model_at(loc[:-1])))
    if right is not None and right not in members:
        members[right] = value
        report.rename(path, (*path[:-1], right))


def _mend(data: dict[str, object], path: Path, report: Report) -> None:
    match path:
        case ("nodes", str(name)):
            _mend_node(data, name, report)
        case ("nodes", str(name), str(field), *_):
            node = cast("dict[str, object]", _at(data, ("nodes", name)))
            _put_back(node, field)
            report.mark_broken(("nodes", name, field))
        case ("inputs" | "state" as section, str(name), *_):
            cast("dict[str, object]", data[section])[name] = "any"
            report.mark_broken((section, name))
        case ("edges", *_):
            data["edges"] = None
            report.mark_broken(("edges",))
        case (str(field), *_):
            _mend_top(data, field, report)
        case _:
            return


def _mend_node(data: dict[str, object], name: str, report: Report) -> None:
    node = _at(data, ("nodes", name))
    mended: dict[str, object] = {"kind": "human", "ask": ""}
    if isinstance(node, dict) and "output" in node:
        mended["output"] = cast("dict[str, object]", node)["output"]
    cast("dict[str, object]", data["nodes"])[name] = mended
    report.mark_broken(("nodes", name))


def _put_back(members: dict[str, object], field: str) -> None:
    if field in _PLACEHOLDERS:
        members[field] = _PLACEHOLDERS[field]
    else:
        members.pop(field, None)


def _mend_top(data: dict[str, object], field: str, report: Report) -> None:
    data.pop(field, None)
    if field == "name":
        data["name"] = "workflow"
    elif field == "nodes":
        data["nodes"] = {"nothing": {"kind": "human", "ask": ""}}
        report.mark_broken(("edges",))
    report.mark_broken((field,))
