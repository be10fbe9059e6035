"""The types of a workflow file: what a value may be, and whether one type fits another.

Types are written `str`, `int`, `float`, `bool`, `any`, `list[T]`, `dict[T]` (keys are always text),
`object` (with named fields, or any) and `enum` (with values); a `?` at the end allows null.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, cast, get_args

from holdfast.agents.problems import closest
from holdfast.errors import InputError, WorkflowError

Kind = Literal["any", "str", "int", "float", "bool", "list", "dict", "object", "enum"]

MOST_PROBLEMS = 20
MOST_TYPE_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """What a value may be.

    `item` is the type of the items of a list or the values of a dict (None: anything). `fields`
    are the members of an object; an object without fields takes any members, one with fields no
    others, and a member whose type is optional may be absent. `description` is for people and
    models, and does not count when types are compared.
    """

    kind: Kind = "any"
    item: Type | None = None
    fields: Mapping[str, Type] = field(default_factory=dict[str, "Type"])
    values: tuple[str | int, ...] = ()
    optional: bool = False
    description: str = field(default="", compare=False)


ANY = Type()
STR = Type(kind="str")
INT = Type(kind="int")
FLOAT = Type(kind="float")
BOOL = Type(kind="bool")

_PLAIN: Mapping[str, Kind] = {name: name for name in get_args(Kind)}
_OTHER_NAMES = {
    "string": "str",
    "text": "str",
    "integer": "int",
    "number": "float",
    "double": "float",
    "boolean": "bool",
    "array": "list",
    "map": "dict",
    "mapping": "dict",
    "json": "any",
}
_ALL = "str, int, float, bool, any, list, dict, object and enum"
_WITH_ITEM = re.compile(r"(\w+)\s*\[(.*)\]", re.DOTALL)


def parse_type(text: str) -> Type:
    """Read a type such as `str`, `list[str]`, `dict[list[int]]` or `str?`.

    Raises:
        WorkflowError: it is not a type; `hint` says what may have been meant.
    """
    if len(text) > MOST_TYPE_TEXT:
        raise WorkflowError(f"a type may be {MOST_TYPE_TEXT} characters long, not {len(text)}")
    return _parse(text.strip(), nested=False)


def _parse(text: str, *, nested: bool) -> Type:
    if text.endswith("?"):
        return _optional(_parse(text[:-1].rstrip(), nested=nested))
    if found := _WITH_ITEM.fullmatch(text):
        return _parse_with_item(found[1], found[2].strip())
    if text not in _PLAIN:
        raise WorkflowError(f"unknown type {text!r}", hint=_type_hint(text))
    if nested and text == "enum":
        raise WorkflowError("an enum needs values", hint="write 'items: {type: enum, values: […]}'")
    return Type(kind=_PLAIN[text])


def _parse_with_item(name: str, inner: str) -> Type:
    if name not in {"list", "dict"}:
        raise WorkflowError(f"unknown type '{name}[{inner}]'", hint="only list[…] and dict[…]")
    key, comma, value = inner.partition(",")
    if name == "dict" and comma and key.strip() == "str":
        raise WorkflowError(
            "the keys of a dict are always text", hint=f"write 'dict[{value.strip()}]'"
        )
    return Type(kind=_PLAIN[name], item=_parse(inner, nested=True))


def _optional(declared: Type) -> Type:
    if declared.optional:
        raise WorkflowError("a type takes one '?'")
    return Type(
        kind=declared.kind,
        item=declared.item,
        fields=declared.fields,
        values=declared.values,
        optional=True,
        description=declared.description,
    )


def _type_hint(text: str) -> str:
    near = closest(text.lower(), (*_PLAIN, *_OTHER_NAMES))
    return f"did you mean {_OTHER_NAMES.get(near, near)!r}?" if near else f"the types are {_ALL}"


def describe(declared: Type) -> str:
    """Say a type as it is written: `list[str]`, `object{path: str}`, `enum[low, high]`, `str?`."""
    text: str = declared.kind
    if declared.item is not None and declared.kind in {"list", "dict"}:
        text += f"[{describe(declared.item)}]"
    elif declared.fields:
        members = ", ".join(f"{name}: {describe(each)}" for name, each in declared.fields.items())
        text += f"{{{members}}}"
    elif declared.kind == "enum":
        text += f"[{', '.join(str(value) for value in declared.values)}]"
    return text + "?" if declared.optional else text


_JSON_NAMES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
    "object": "object",
}


def json_schema(declared: Type) -> dict[str, object]:
    """Return the JSON Schema of a type, in the form that strict structured output asks for.

    Every member of an object is required there, also one that may be null.
    """
    schema = {} if declared.kind == "any" else _schema_of(declared)
    if declared.description:
        schema["description"] = declared.description
    return schema


def _schema_of(declared: Type) -> dict[str, object]:
    if declared.kind == "enum":
        return {"enum": [*declared.values, *([None] if declared.optional else [])]}
    name = _JSON_NAMES[declared.kind]
    schema: dict[str, object] = {"type": [name, "null"] if declared.optional else name}
    if declared.kind == "list":
        schema["items"] = json_schema(declared.item or ANY)
    elif declared.kind == "dict":
        schema["additionalProperties"] = json_schema(declared.item or ANY)
    elif declared.fields:
        schema["properties"] = {name: json_schema(each) for name, each in declared.fields.items()}
        schema["required"] = list(declared.fields)
        schema["additionalProperties"] = False
    return schema


def problems(declared: Type, value: object, at: str = "") -> list[str]:
    """Say where `value` does not fit, such as `.items[2].name must be str, not int`.

    `at` is put before every place. An empty list means that the value fits; a long list stops at
    20 entries. A bool is not an int, and an int will do for a float.
    """
    return list(islice(_problems(declared, value, at), MOST_PROBLEMS))


def _problems(declared: Type, value: object, at: str) -> Iterator[str]:
    if declared.kind == "any" or (value is None and declared.optional):
        return
    match declared.kind:
        case "list" if isinstance(value, list):
            for index, each in enumerate(cast("list[object]", value)):
                yield from _problems(declared.item or ANY, each, f"{at}[{index}]")
        case "dict" if isinstance(value, dict):
            yield from _dict_problems(declared.item or ANY, cast("dict[object, object]", value), at)
        case "object" if isinstance(value, dict):
            yield from _object_problems(declared, cast("dict[object, object]", value), at)
        case "enum" if not any(_same(value, each) for each in declared.values):
            choices = ", ".join(repr(each) for each in declared.values)
            yield _sentence(at, f"must be one of {choices}, not {_short(value)}")
        case _ if not _fits_plain(declared.kind, value):
            yield _sentence(at, f"must be {_wanted(declared)}, not {name_of(value)}")
        case _:
            return


def _dict_problems(item: Type, value: dict[object, object], at: str) -> Iterator[str]:
    for key, each in value.items():
        if not isinstance(key, str):
            yield _sentence(at, f"must have text for its keys, not {name_of(key)}")
        else:
            yield from _problems(item, each, f"{at}.{key}")


def _object_problems(declared: Type, value: dict[object, object], at: str) -> Iterator[str]:
    if not declared.fields:
        yield from _dict_problems(ANY, value, at)
        return
    for name, each in declared.fields.items():
        if name in value:
            yield from _problems(each, value[name], f"{at}.{name}")
        elif not each.optional:
            yield _sentence(at, f"needs member {name!r}")
    for key in value:
        if key not in declared.fields:
            yield _sentence(at, f"has an unknown member {key!r}")


def _fits_plain(kind: Kind, value: object) -> bool:
    match kind:
        case "str":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return _is_number(value)
        case "enum":
            return True
        case _:
            return False


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _wanted(declared: Type) -> str:
    return "a finite number" if declared.kind == "float" else declared.kind


def _sentence(at: str, rest: str) -> str:
    return f"{at} {rest}" if at else rest


def _same(value: object, other: object) -> bool:
    return value == other and type(value) is type(other)


def _short(value: object) -> str:
    return repr(value) if isinstance(value, str | int | float) else name_of(value)


def name_of(value: object) -> str:
    """Name the type of a value as a workflow file would."""
    if value is None:
        return "null"
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return type(value).__name__


def assignable(source: Type, target: Type) -> bool:
    """Whether every value of `source` fits `target`; an unknown part (`any`) is trusted."""
    if "any" in {source.kind, target.kind}:
        return True
    if source.optional and not target.optional:
        return False
    match target.kind:
        case "list":
            return source.kind == "list" and assignable(source.item or ANY, target.item or ANY)
        case "dict":
            return _fits_dict(source, target.item or ANY)
        case "object":
            return _fits_object(source, target)
        case "enum":
            return source.kind == "enum" and _within(source.values, target.values)
        case _ if source.kind == "enum":
            return all(_fits_plain(target.kind, each) for each in source.values)
        case _:
            return source.kind == target.kind or (source.kind, target.kind) == ("int", "float")


def _within(values: tuple[str | int, ...], others: tuple[str | int, ...]) -> bool:
    return all(any(_same(each, other) for other in others) for each in values)


def _fits_dict(source: Type, item: Type) -> bool:
    if source.kind == "dict":
        return assignable(source.item or ANY, item)
    return source.kind == "object" and all(
        assignable(each, item) for each in source.fields.values()
    )


def _fits_object(source: Type, target: Type) -> bool:
    if source.kind == "dict":
        return not target.fields or (source.item or ANY).kind == "any"
    if source.kind != "object":
        return False
    if not source.fields or not target.fields:
        return True
    return source.fields.keys() <= target.fields.keys() and all(
        assignable(source.fields[name], each) if name in source.fields else each.optional
        for name, each in target.fields.items()
    )


def member(declared: Type, key: str | int) -> Type | None:
    """Return the type of `value.key` or `value[key]`, or None where there can be no such member."""
    match declared.kind:
        case "any":
            return ANY
        case "list":
            return (declared.item or ANY) if isinstance(key, int) else None
        case "dict":
            return (declared.item or ANY) if isinstance(key, str) else None
        case "object" if isinstance(key, str):
            return declared.fields.get(key) if declared.fields else ANY
        case _:
            return None


_WHOLE = re.compile(r"[+-]?[0-9]{1,400}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_TRUTHS = {"true": True, "yes": True, "y": True, "1": True, "on": True} | {
    "false": False,
    "no": False,
    "n": False,
    "0": False,
    "off": False,
}


def coerce_text(declared: Type, text: str) -> object:
    """Turn what a person typed into a value of the type: `coerce_text(parse_type("int"), "3")`.

    Text stays as it is; lists, dicts and objects are read as JSON; `any` is JSON if it can be.

    Raises:
        InputError: it cannot be such a value; the message can follow the name of the input.
    """
    if declared.kind == "str":
        return text
    if declared.optional and text.strip() == "null":
        return None
    value = _read(declared, text)
    if found := problems(declared, value):
        raise InputError("; ".join(found))
    return value


def _read(declared: Type, text: str) -> object:
    plain = text.strip()
    match declared.kind:
        case "bool" if plain.lower() in _TRUTHS:
            return _TRUTHS[plain.lower()]
        case "bool":
            raise InputError(f"must be true or false, not {text!r}")
        case "int" if _WHOLE.fullmatch(plain):
            return int(plain)
        case "float" if _NUMBER.fullmatch(plain):
            return float(plain)
        case "int" | "float":
            wanted = "a whole number" if declared.kind == "int" else "a number"
            raise InputError(f"must be {wanted}, not {text!r}")
        case "enum":
            return next((each for each in declared.values if str(each) == plain), plain)
        case _:
            return _read_json(declared, plain)


def _read_json(declared: Type, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        if declared.kind == "any":
            return text
        example = '["a", "b"]' if declared.kind == "list" else '{"key": "value"}'
        raise InputError(f"must be {describe(declared)} as JSON, such as {example}") from None
