"""Inputs, state fields and types: from the schema to records, with every problem reported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from holdfast.agents.positions import Path
from holdfast.agents.report import Report
from holdfast.agents.schema import NAME_PATTERN, InputSpec, StateSpec, TypeSpec
from holdfast.agents.types import ANY, Type, describe, parse_type, problems
from holdfast.agents.workflow import Field, Reducer
from holdfast.errors import WorkflowError

_NAME = re.compile(NAME_PATTERN)


def check_name(name: str, path: Path, report: Report) -> None:
    """Report a name that templates and expressions could not say."""
    if not _NAME.match(name):
        message = f"{name!r} is not a name"
        report.add(path, message, "letters, digits and '_', not a digit first", key=True)


def build_fields(
    specs: Mapping[str, InputSpec] | Mapping[str, StateSpec], section: str, report: Report
) -> dict[str, Field]:
    """Return the fields of a section (`inputs` or `state`)."""
    return {name: _build_field(name, each, (section, name), report) for name, each in specs.items()}


def _build_field(name: str, spec: InputSpec | StateSpec, path: Path, report: Report) -> Field:
    check_name(name, path, report)
    declared = build_type(spec, path, report)
    reducer: Reducer = spec.reducer if isinstance(spec, StateSpec) else "replace"
    _check_reducer(reducer, declared, path, report)
    has_default = "default" in spec.model_fields_set
    if has_default:
        for problem in problems(declared, spec.default, "default"):
            report.add((*path, "default"), problem)
    default = spec.default if has_default else _empty(declared, reducer)
    return Field(
        name=name,
        type=declared,
        default=default,
        has_default=has_default or default is not None or declared.optional,
        description=spec.description,
        reducer=reducer,
    )


def _empty(declared: Type, reducer: Reducer) -> object:
    """Return what a field that is joined into begins with: an empty list, empty members."""
    if declared.optional or reducer == "replace":
        return None
    empty: object = [] if reducer == "append" else {}
    return None if problems(declared, empty) else empty


def _check_reducer(reducer: Reducer, declared: Type, path: Path, report: Report) -> None:
    fitting = {"append": {"list"}, "merge": {"dict", "object"}}.get(reducer)
    if fitting is not None and declared.kind not in fitting:
        wanted = "a list" if reducer == "append" else "a dict or an object"
        message = f"reducer {reducer!r} needs {wanted}, not {describe(declared)}"
        report.add((*path, "reducer"), message)


def build_type(spec: TypeSpec, path: Path, report: Report) -> Type:
    """Return the type that a spec declares; `any` where it is broken."""
    place = (*path, "type") if report.has((*path, "type")) else path
    try:
        base = parse_type(spec.type)
    except WorkflowError as error:
        report.add(place, error.message, error.hint)
        report.mark_broken(path)
        return ANY
    _check_parts(spec, base, path, report)
    item = base.item
    if spec.items is not None:
        item = build_type(spec.items, (*path, "items"), report)
    values = tuple(spec.values or ())
    if base.kind == "enum" and not values:
        report.add(place, "an enum needs values", "write '{type: enum, values: [low, high]}'")
        report.mark_broken(path)
        return ANY
    members = _build_members(spec, path, report)
    return replace(base, item=item, fields=members, values=values, description=spec.description)


def _build_members(spec: TypeSpec, path: Path, report: Report) -> dict[str, Type]:
    members: dict[str, Type] = {}
    for name, each in (spec.fields or {}).items():
        check_name(name, (*path, "fields", name), report)
        members[name] = build_type(each, (*path, "fields", name), report)
    return members


def _check_parts(spec: TypeSpec, base: Type, path: Path, report: Report) -> None:
    parts = (
        ("items", spec.items is not None, {"list", "dict"}, "lists and dicts"),
        ("fields", spec.fields is not None, {"object"}, "objects"),
        ("values", spec.values is not None, {"enum"}, "enums"),
    )
    for part, given, kinds, words in parts:
        if given and base.kind not in kinds:
            message = f"{part!r} belongs to {words}, not to {describe(base)}"
            report.add((*path, part), message, key=True)
    if spec.items is not None and base.item is not None:
        report.add((*path, "items"), f"'items' and {describe(base)} say it twice", key=True)
    seen: set[str | int] = set()
    for index, value in enumerate(spec.values or ()):
        if value in seen:
            report.add((*path, "values", index), f"{value!r} is here twice")
        seen.add(value)
