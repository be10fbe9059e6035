"""Check that every reference of a template or an expression leads somewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.agents.problems import closest, did_you_mean, did_you_mean_or_known
from holdfast.agents.templates import ROOTS, Reference
from holdfast.agents.types import STR, Type, describe, member

_RUN = Type(kind="object", fields={"id": STR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a reference may begin with. `inputs` or `state` None: they could not be read.

    `variables` are those of a map; `open` means that there may be others.
    """

    inputs: Mapping[str, Type] | None
    state: Mapping[str, Type] | None
    variables: Mapping[str, Type] = field(default_factory=dict[str, Type])
    open: bool = False

    @property
    def types(self) -> dict[str, Type]:
        """One type a root, for `infer`."""
        return {
            "inputs": Type(kind="object", fields=self.inputs or {}),
            "state": Type(kind="object", fields=self.state or {}),
            "run": _RUN,
            **self.variables,
        }


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a reference."""

    message: str
    suggestion: str = ""


def check_reference(reference: Reference, names: Names, *, braces: bool) -> Wrong | None:
    """Return what is wrong with a reference; `braces` if it stands in a template."""
    match reference.root:
        case "inputs" | "state" as root:
            fields = names.inputs if root == "inputs" else names.state
            return _check_field(reference, fields, braces=braces)
        case "run" if not reference.path:
            return Wrong(
                f"{_show(reference, braces)} is not a value",
                f"write {_show(Reference('run', ('id',)), braces)}",
            )
        case root if root == "run" or root in names.variables:
            declared = _RUN if root == "run" else names.variables[root]
            return _check_path(reference, declared, 0, braces=braces)
        case _:
            return None if names.open else _unknown_root(reference, names, braces=braces)


def _show(reference: Reference, braces: bool) -> str:  # noqa: FBT001
    return f"{{{reference}}}" if braces else str(reference)


def _check_field(
    reference: Reference, fields: Mapping[str, Type] | None, *, braces: bool
) -> Wrong | None:
    if fields is None or not reference.path:
        return None
    name = reference.path[0]
    if name in fields:
        return _check_path(reference, fields[str(name)], 1, braces=braces)
    kind = "input" if reference.root == "inputs" else "state field"
    message = f"{_show(reference, braces)}: there is no {kind} {name!r}"
    return Wrong(message, did_you_mean_or_known(str(name), fields))


def _check_path(reference: Reference, declared: Type, begin: int, *, braces: bool) -> Wrong | None:
    for index, step in enumerate(reference.path[begin:], begin):
        found = member(declared, step)
        if found is None:
            place = Reference(reference.root, reference.path[:index])
            thing = f"no item {step}" if isinstance(step, int) else f"no member {step!r}"
            message = f"{_show(reference, braces)}: {place} is {describe(declared)} and has {thing}"
            return Wrong(message, did_you_mean(str(step), declared.fields))
        declared = found
    return None


def _unknown_root(reference: Reference, names: Names, *, braces: bool) -> Wrong:
    root, shown = reference.root, _show(reference, braces)
    message = f"unknown name {root!r}" + (f" in {shown}" if shown != root else "")
    if near := closest(root, (*ROOTS, *names.variables)):
        right = Reference(near, reference.path)
        return Wrong(message, f"did you mean {_show(right, braces)}?")
    for place, fields in (("state", names.state), ("inputs", names.inputs)):
        if root in (fields or {}):
            right = Reference(place, (root, *reference.path))
            return Wrong(message, f"write {_show(right, braces)}")
    literal = f"write {{{shown}}} for literal text" if braces else f"text goes in quotes: '{root}'"
    return Wrong(message, literal)
