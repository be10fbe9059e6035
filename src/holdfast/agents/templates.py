"""Text with references such as `{state.draft}`, filled in once and never looked at again.

Only a brace around a dotted name is a reference, so JSON in a prompt needs no escape. Doubled
braces around a dotted name stand for themselves with one pair less: `{{state.x}}` is the text
`{state.x}`. A value that is filled in is never searched for references.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from holdfast.agents.problems import did_you_mean
from holdfast.errors import InputError

ROOTS = ("inputs", "state", "run")

Scope: TypeAlias = Mapping[str, object]

_DOTTED = r"[A-Za-z_][A-Za-z0-9_]*+(?:\.[A-Za-z_][A-Za-z0-9_]*+|\[-?[0-9]{1,6}\])*+"
_REFERENCE = re.compile(r"(?<!\{)(\{++)(" + _DOTTED + r")(\}++)")
_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|-?[0-9]+")


@dataclass(frozen=True, slots=True)
class Reference:
    """A way into the scope: `state.documents[0].text` is root `state` and a path of three."""

    root: str
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        """Return the reference as it is written, without braces."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return self.root + "".join(steps)


@dataclass(frozen=True, slots=True)
class Template:
    """Literal text and references in turn."""

    parts: tuple[str | Reference, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references in it, in order."""
        return tuple(part for part in self.parts if isinstance(part, Reference))

    @property
    def whole(self) -> Reference | None:
        """The reference that makes up all of it, if that is what it is."""
        only = self.parts[0] if len(self.parts) == 1 else None
        return only if isinstance(only, Reference) else None


Argument: TypeAlias = (
    "Template | str | int | float | bool | tuple[Argument, ...] | Mapping[str, Argument] | None"
)


def parse_reference(text: str) -> Reference:
    """Read `state.documents[0].text`; the text must already have that shape."""
    root, *steps = _STEP.findall(text)
    return Reference(root, tuple(_step(each) for each in steps))


def _step(text: str) -> str | int:
    return int(text) if text[0] in "-0123456789" else text


def parse_template(text: str) -> Template:
    """Split a text into literal parts and references; every text is a template."""
    parts: list[str | Reference] = []
    literal: list[str] = []
    end = 0
    for found in _REFERENCE.finditer(text):
        opening, dotted, closing = found.groups()
        literal.append(text[end : found.start()] + opening[1:])
        if min(len(opening), len(closing)) == 1:
            parts += [*_joined(literal), parse_reference(dotted)]
            literal = [closing[1:]]
        else:
            literal.append(dotted + closing[1:])
        end = found.end()
    literal.append(text[end:])
    return Template((*parts, *_joined(literal)))


def _joined(literal: list[str]) -> list[str]:
    text = "".join(literal)
    return [text] if text else []


def parse_argument(value: object) -> Argument:
    """Turn a value of a workflow file into an argument; texts in it become templates."""
    if isinstance(value, str):
        template = parse_template(value)
        return template if template.references else "".join(cast("tuple[str]", template.parts))
    if isinstance(value, list):
        return tuple(parse_argument(each) for each in cast("list[object]", value))
    if isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return {name: parse_argument(each) for name, each in members}
    return cast("int | float | bool | None", value)


def references_of(argument: Argument) -> Iterator[Reference]:
    """Yield every reference in an argument, at any depth."""
    if isinstance(argument, Template):
        yield from argument.references
    elif isinstance(argument, tuple):
        for each in argument:
            yield from references_of(each)
    elif isinstance(argument, Mapping):
        for each in argument.values():
            yield from references_of(each)


def render(template: Template, scope: Scope) -> str:
    """Fill the references in: texts as they are, everything else as compact JSON.

    Raises:
        InputError: a reference leads nowhere.
    """
    return "".join(
        part if isinstance(part, str) else _text(resolve(part, scope)) for part in template.parts
    )


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def render_argument(argument: Argument, scope: Scope) -> object:
    """Fill an argument in; a text that is exactly one reference passes the value as it is.

    Raises:
        InputError: a reference leads nowhere.
    """
    if isinstance(argument, Template):
        whole = argument.whole
        return render(argument, scope) if whole is None else resolve(whole, scope)
    if isinstance(argument, tuple):
        return [render_argument(each, scope) for each in argument]
    if isinstance(argument, Mapping):
        return {name: render_argument(each, scope) for name, each in argument.items()}
    return argument


def resolve(reference: Reference, scope: Scope) -> object:
    """Return the value that a reference leads to.

    Raises:
        InputError: a step of it is missing; the message names the reference and the step.
    """
    if reference.root not in scope:
        hint = did_you_mean(reference.root, scope)
        raise InputError(f"{reference}: there is no {reference.root!r} here", hint=hint)
    value = scope[reference.root]
    for index, step in enumerate(reference.path):
        value = _follow(value, step, reference, index)
    return value


def _follow(value: object, step: str | int, reference: Reference, index: int) -> object:
    place = Reference(reference.root, reference.path[:index])
    if isinstance(step, int):
        if not isinstance(value, list):
            raise InputError(f"{reference}: {place} is {_kind(value)} and has no items")
        items = cast("list[object]", value)
        if not -len(items) <= step < len(items):
            raise InputError(f"{reference}: {place} has {len(items)} items")
        return items[step]
    if not isinstance(value, Mapping):
        raise InputError(f"{reference}: {place} is {_kind(value)} and has no members")
    members = cast("Mapping[str, object]", value)
    if step not in members and place == Reference("state"):
        raise InputError(
            f"{place}.{step} has not been written yet",
            hint="give the field a default, or write it on every way that leads here",
        )
    if step not in members:
        hint = did_you_mean(step, [str(each) for each in members])
        raise InputError(f"{reference}: {place} has no {step!r}", hint=hint)
    return members[step]


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
