"""The rules of variables: who may change what, how large it may be, and when two changes conflict.

Pure. A change names variables; each has its own version, so changes of different variables never
conflict. A caller who decided on a value that it read says which version that was, and gets both
values back if somebody else came first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from holdfast.errors import InputError
from holdfast.frozen import frozen
from holdfast.tasks.codec import to_json
from holdfast.tasks.record import Task, Variable, Visibility
from holdfast.tasks.requests import Actor, Limits
from holdfast.tasks.schemas import check_schema, check_value

_NAME_BYTES = 256


@frozen
class VariableConflict:
    """A change of one variable that was decided on another version than there is.

    `current` and `wanted` are the two values; None stands for a variable that is not there, or is
    to be deleted.
    """

    name: str
    expected: int
    version: int
    current: object
    wanted: object


@frozen
class VariableConflicts:
    """Why nothing was changed: somebody else came first. Decide again on the current values."""

    task: Task
    conflicts: Sequence[VariableConflict]


@frozen
class VariableChange:
    """One change of a variable, as the log tells it; value None is a deletion."""

    version: int
    value: object
    at: int
    by: str
    via: str


def visible(variables: Mapping[str, Variable], actor: Actor) -> dict[str, Variable]:
    """Return the variables that there are and that the actor may see."""
    return {
        name: variable
        for name, variable in variables.items()
        if not variable.deleted
        and not (actor.is_client and variable.visibility is Visibility.SERVER)
    }


def find_conflicts(
    variables: Mapping[str, Variable], values: Mapping[str, object], expected: Mapping[str, int]
) -> list[VariableConflict]:
    """Return the variables whose version is not the one that the caller decided on.

    The version of a variable that never was is 0.
    """
    found: list[VariableConflict] = []
    for name, version in expected.items():
        current = variables.get(name, Variable(version=0, deleted=True))
        if current.version != version:
            found.append(
                VariableConflict(
                    name=name,
                    expected=version,
                    version=current.version,
                    current=current.value,
                    wanted=values.get(name),
                )
            )
    return found


def refuse_actor(
    variables: Mapping[str, Variable],
    names: Iterator[str],
    declared: Mapping[str, Mapping[str, object]],
    actor: Actor,
) -> None:
    """Refuse what a client may not change. A hidden variable is refused as a read-only one is.

    Raises:
        InputError: the message names the variable.
    """
    if not actor.is_client:
        return
    for name in names:
        variable = variables.get(name)
        if name in declared or (variable and variable.visibility is not Visibility.WRITE):
            raise InputError(
                f"the variable {name!r} cannot be changed from here",
                hint="only the code of the server may change it, its schema and its visibility",
            )


def check_incoming(
    variables: Mapping[str, Variable],
    values: Mapping[str, object],
    declared: Mapping[str, Mapping[str, object]],
    limits: Limits,
) -> None:
    """Refuse values that are too deep, too long or do not fit their schema, before any merge.

    A new schema is checked against the value that there is, too.

    Raises:
        InputError: the message names the variable and says what is wrong, and where.
    """
    for name in {**declared, **values}:
        check_name(name)
    for name, members in declared.items():
        if schema := cast("Mapping[str, object] | None", members.get("schema")):
            check_schema(schema, what=f"the schema of the variable {name!r}")
    for name, value in values.items():
        to_json(value, what=f"the variable {name!r}")
        _check_shape(value, name, limits)
    old = {name: each.value for name, each in variables.items() if not each.deleted}
    for name in {**declared, **values}:
        value = values.get(name, old.get(name))
        known = variables.get(name)
        schema = declared.get(name, {}).get("schema", known.schema if known else None)
        if schema and value is not None:
            check_value(value, cast("Mapping[str, object]", schema), what=f"the variable {name!r}")


def check_total(variables: Mapping[str, Variable], limits: Limits) -> None:
    """Refuse variables that take too much together, in the form that is stored.

    Raises:
        InputError: the message says how much they take, and which is the largest.
    """
    sizes = {
        name: len(to_json([name, each.value], what=name).encode("utf-8", "surrogatepass"))
        for name, each in variables.items()
    }
    total = sum(sizes.values())
    if total > limits.variables_bytes:
        largest = max(sizes, key=lambda name: sizes[name])
        raise InputError(
            f"the variables of the task would take {total} bytes; {limits.variables_bytes} are"
            f" allowed (the largest is {largest!r} with {sizes[largest]})",
            hint="delete some, or keep the data in a file and its path in the variable",
        )


def check_name(name: str) -> None:
    """Refuse a name that is empty or too long."""
    if not name or len(name.encode("utf-8", "surrogatepass")) > _NAME_BYTES:
        raise InputError(
            f"{name[:40]!r} cannot be the name of a variable",
            hint=f"a name has 1 to {_NAME_BYTES} bytes",
        )


def _check_shape(value: object, name: str, limits: Limits) -> None:
    """Check depth and strings without recursion: the value may be as deep as JSON allows."""
    rest: list[tuple[object, int]] = [(value, 1)]
    while rest:
        item, depth = rest.pop()
        if isinstance(item, str):
            _check_string(item, name, limits)
            continue
        if not isinstance(item, dict | list | tuple):
            continue
        if depth > limits.variable_depth:
            raise InputError(
                f"the variable {name!r} is nested more than {limits.variable_depth} deep",
                hint="make it flatter, or keep a part of it in a variable of its own",
            )
        if isinstance(item, dict):
            members = cast("dict[str, object]", item)
            for key in members:
                _check_string(str(key), name, limits)
            rest += ((each, depth + 1) for each in members.values())
        else:
            rest += ((each, depth + 1) for each in cast("Sequence[object]", item))


def _check_string(text: str, name: str, limits: Limits) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > limits.variable_string_bytes:
        raise InputError(
            f"the variable {name!r} holds a string of {size} bytes;"
            f" {limits.variable_string_bytes} are allowed",
            hint="keep the text in a file and its path in the variable",
        )
