"""YAML text to plain values, with the place of every key and value; the only user of the YAML library.

Scalars are read by the core schema of YAML 1.2: only `true` and `false` are booleans, so `on`,
`yes` and `no` stay text, as do dates and times. Nothing recurses and aliases are counted, so no
file can exhaust the stack or the memory.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import yaml

Path: TypeAlias = tuple[str | int, ...]
Place: TypeAlias = tuple[int, int]

MOST_DEPTH = 40
MOST_ALIASED = 50_000
"""Values that aliases may add; a file that repeats more than that is an attack or a mistake."""

_DUPLICATE = "\0duplicate"
_UNSEEN = object()
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in the text itself."""

    place: Place
    message: str
    suggestion: str = ""
    path: Path | None = None
    """The value that could not be kept as it is, if there is one."""


class Broken(Exception):
    """The text cannot be read any further."""

    def __init__(self, place: Place, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.fault = Fault(place, message, suggestion)


@dataclass(slots=True)
class Positions:
    """Where every key and every value of the file is: line and column, from 1."""

    keys: dict[Path, Place] = field(default_factory=dict[Path, Place])
    values: dict[Path, Place] = field(default_factory=dict[Path, Place])

    def key(self, path: Path) -> Place:
        """Return the place of a key; of the nearest thing around it if it is not in the file."""
        return self.keys.get(path) or self.value(path)

    def value(self, path: Path) -> Place:
        """Return the place of a value; of the nearest thing around it if it is not in the file."""
        if path in self.values:
            return self.values[path]
        while path:
            path = path[:-1]
            if found := self.keys.get(path) or self.values.get(path):
                return found
        return (1, 1)


@dataclass(slots=True)
class Composed:
    """The value of a document, its places, and the faults that did not stop the reading."""

    value: object
    positions: Positions
    faults: list[Fault]


@dataclass(slots=True)
class _Frame:
    value: dict[str, object] | list[object]
    path: Path
    anchor: str | None
    size: int = 1
    key: str | None = None
    is_key: bool = False


def compose(text: str) -> Composed:
    """Read one YAML document.

    Raises:
        Broken: it is not YAML, is empty, or holds several documents.
    """
    _check_characters(text)
    composer = _Composer()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        raise _broken(error, text) from None
    except yaml.YAMLError as error:
        raise Broken((1, 1), f"not YAML: {error}") from None
    if composer.result is _UNSEEN:
        raise Broken((1, 1), "the file is empty", "a workflow has at least a name and nodes")
    return Composed(composer.result, composer.positions, composer.faults)


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


def _check_characters(text: str) -> None:
    if found := _CONTROL.search(text):
        start = found.start()
        line = text.count("\n", 0, start) + 1
        column = start - (text.rfind("\n", 0, start) + 1) + 1
        code = f"U+{ord(found[0]):04X}"
        raise Broken((line, column), f"the file holds a control character ({code})", "remove it")


class _Composer:
    """Take events one by one and build the value."""

    def __init__(self) -> None:
        self.positions = Positions()
        self.faults: list[Fault] = []
        self.result: object = _UNSEEN
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[object, int]] = {}
        self._aliased = 0

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close(event)
            case yaml.DocumentStartEvent() if self.result is not _UNSEEN:
                raise Broken(_place(event), "a file holds one workflow", "remove the second '---'")
            case _:
                return

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._check_tag(event)
        if self._expects_key():
            self._key(event)
            return
        value = _resolve(event)
        path = self._next_path()
        self.positions.values[path] = _place(event)
        self._put(value, 1, event.anchor)

    def _alias(self, event: yaml.AliasEvent) -> None:
        name = cast("str", event.anchor)
        if name not in self._anchors:
            raise Broken(_place(event), f"'*{name}' stands for nothing that was named before it")
        if self._expects_key():
            raise Broken(_place(event), "a field name cannot be an alias", "write the name")
        value, size = self._anchors[name]
        self._aliased += size
        if self._aliased > MOST_ALIASED:
            raise Broken(_place(event), f"aliases repeat more than {MOST_ALIASED} values")
        self.positions.values[self._next_path()] = _place(event)
        self._put(value, size, None)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        self._check_tag(event)
        if len(self._frames) >= MOST_DEPTH:
            raise Broken(_place(event), f"values are nested more than {MOST_DEPTH} deep")
        is_key = self._expects_key()
        if is_key:
            self._fault(event, "a field name must be text", "remove the brackets")
            self._frames[-1].key = _DUPLICATE
        path = self._next_path()
        self.positions.values[path] = _place(event)
        value = dict[str, object]() if isinstance(event, yaml.MappingStartEvent) else list[object]()
        self._frames.append(_Frame(value, path, event.anchor, is_key=is_key))

    def _close(self, _: yaml.Event) -> None:
        frame = self._frames.pop()
        if not frame.is_key:
            self._put(frame.value, frame.size, frame.anchor)

    def _expects_key(self) -> bool:
        if not self._frames:
            return False
        return isinstance(self._frames[-1].value, dict) and self._frames[-1].key is None

    def _next_path(self) -> Path:
        if not self._frames:
            return ()
        frame = self._frames[-1]
        step = len(frame.value) if isinstance(frame.value, list) else cast("str", frame.key)
        return (*frame.path, step)

    def _key(self, event: yaml.ScalarEvent) -> None:
        frame = self._frames[-1]
        members = cast("dict[str, object]", frame.value)
        name = _resolve(event)
        frame.key = _DUPLICATE
        if not isinstance(name, str):
            self._keep_wrong_key(event, frame, members)
        elif name == "<<" and event.implicit[0]:
            self._fault(event, "merge keys ('<<') are not supported", "write the fields out")
        elif name in members:
            line, _ = self.positions.keys[*frame.path, name]
            self._fault(event, f"{name!r} is here twice", f"the first is in line {line}")
        else:
            frame.key = name
            members[name] = None
            self.positions.keys[*frame.path, name] = _place(event)

    def _keep_wrong_key(
        self, event: yaml.ScalarEvent, frame: _Frame, members: dict[str, object]
    ) -> None:
        """Report a key that is no text, and go on as if it were."""
        message = f"a field name must be text, not {event.value or 'null'}"
        path = (*frame.path, event.value)
        self.faults.append(Fault(_place(event), message, "put it in quotes", path))
        if event.value not in members:
            frame.key = event.value
            members[event.value] = None
            self.positions.keys[path] = _place(event)

    def _put(self, value: object, size: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, size)
        if not self._frames:
            self.result = value
            return
        frame = self._frames[-1]
        frame.size += size
        if isinstance(frame.value, list):
            frame.value.append(value)
            return
        if frame.key != _DUPLICATE:
            frame.value[cast("str", frame.key)] = value
        frame.key = None

    def _check_tag(self, event: yaml.NodeEvent) -> None:
        tag = cast("str | None", getattr(event, "tag", None))
        if tag is not None and tag not in {"!", "tag:yaml.org,2002:str"}:
            self._fault(event, f"tags are not supported: {tag!r}", "remove it")

    def _fault(self, event: yaml.Event, message: str, suggestion: str) -> None:
        self.faults.append(Fault(_place(event), message, suggestion))


def _place(event: yaml.Event) -> Place:
    mark = cast("yaml.Mark", event.start_mark)
    return (mark.line + 1, mark.column + 1)


_NULLS = {"", "~", "null", "Null", "NULL"}
_TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MOST_DIGITS = 300


def _resolve(event: yaml.ScalarEvent) -> object:
    text = event.value
    if not event.implicit[0]:
        return text
    if text in _NULLS:
        return None
    if text in _TRUTHS:
        return _TRUTHS[text]
    if text[0] in "+-.0123456789" and len(text) <= _MOST_DIGITS:
        return _resolve_number(text)
    return text


def _resolve_number(text: str) -> str | int | float:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if found := _SPECIAL.fullmatch(text):
        return math.nan if found[3] else float(f"{found[1]}inf")
    return text


_HINTS = (
    ("cannot start any token", "\t", "YAML is indented with spaces, not tabs"),
    ("cannot start any token", "@", "put a text that begins with '@' in quotes"),
    ("cannot start any token", "`", "put a text that begins with '`' in quotes"),
    ("cannot start any token", "%", "put a text that begins with '%' in quotes"),
    (
        "mapping values are not allowed",
        "",
        "put a text that holds ': ' in quotes, or check the indentation",
    ),
    ("did not find expected key", "", "check the indentation and the quotes above"),
    ("could not find expected ':'", "", "a field is written 'name: value'"),
    ("unexpected end of stream", "", "a quote that was opened is not closed"),
    ("found undefined tag handle", "", "put a text that begins with '!' in quotes"),
    ("did not find expected ',' or", "", "a bracket that was opened is not closed"),
    ("did not find expected alphabetic", "", "put a text that begins with '*' or '&' in quotes"),
    ("did not find expected '-' indicator", "", "every item of a list begins with '- '"),
)


_UNCLOSED = ("unexpected end of stream", "did not find expected ',' or")
"""Faults that are noticed far below their cause: the place of the opening sign is told."""


_TYPE = re.compile(r"(?:list|dict)(?:\[\w*)+\]+")


def _bare_type(error: yaml.MarkedYAMLError, lines: list[str]) -> Broken | None:
    """Return the fault of a type such as `list[int]` that stands in braces without quotes."""
    mark = error.problem_mark
    if mark is None or mark.line >= len(lines):
        return None
    for found in _TYPE.finditer(lines[mark.line]):
        if found.start() <= mark.column < found.end():
            place = mark.line + 1, found.start() + 1
            message = f"not YAML: {found[0]} inside braces is no text"
            return Broken(place, message, f'put it in quotes: "{found[0]}"')
    return None


def _broken(error: yaml.MarkedYAMLError, text: str) -> Broken:
    what = error.problem or error.context or "it cannot be read"
    mark = error.problem_mark or error.context_mark
    if error.context_mark and any(each in what for each in _UNCLOSED):
        mark = error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.splitlines()
    here = lines[line - 1] if line <= len(lines) else ""
    sign = here[column - 1 : column]
    if bare := _bare_type(error, lines):
        return bare
    hint = next((hint for key, at, hint in _HINTS if key in what and at in (sign, "")), "")
    if "\t" in here[: len(here) - len(here.lstrip())]:
        hint = "YAML is indented with spaces, not tabs"
    return Broken((line, column), f"not YAML: {what}", hint)
