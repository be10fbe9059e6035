"""Read what spans tell of exceptions: types, messages, the chain of causes, the calls.

Sources: the exception event and attributes of OpenTelemetry, `error.type`, the additions of
`holdfast.tracing.failing`, and the stack texts of Python, JavaScript and Java.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from holdfast.frozen import frozen
from holdfast.tracing.analysis.text import first_text, is_list, text_of_value
from holdfast.tracing.span import Attributes, Span, Value

_TYPES = ("exception.type", "error.type", "error.name", "error_type")
_MESSAGES = ("exception.message", "error.message", "otel.status_description", "status_message")
_STACK = "exception.stacktrace"
_FOREIGN = (
    "site-packages", "dist-packages", "node_modules", "<frozen", "<string>", "node:", "internal/",
)  # fmt: skip
_STANDARD = re.compile(
    r"[\\/]lib(?:64)?[\\/]python\d[\d.]*[\\/]|[\\/]python\d+[\\/]lib[\\/]", re.IGNORECASE
)
_TYPED = re.compile(
    r"(?P<type>[A-Za-z_][\w.$]*(?:Error|Exception|Exit|Timeout|Interrupt|Failed|Failure|Warning|"
    r"Group|Refused|Unavailable|Invalid|NotFound|Conflict|Exceeded|Cancelled))"
    r"(?::\s*(?P<message>.*))?",
    re.DOTALL,
)
_NAMED = re.compile(r"(?P<type>[A-Z]\w*(?:\.[A-Z]\w*)*): (?P<message>.+)", re.DOTALL)
_PYTHON = re.compile(
    r'^[\s|]*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+)$', re.MULTILINE
)
_SCRIPT = re.compile(
    r"^\s*at (?:async )?(?:(?P<function>[\w$.<>\[\] ]+?) \()?(?P<file>[^()\s]+?):(?P<line>\d+):\d+\)?$"
)
_JAVA = re.compile(r"^\s*at (?P<module>[\w.$]+)\.(?P<function>[\w$<>]+)\([^)]*?:?(?P<line>\d+)?\)$")
_JAVA_OWN = re.compile(r"^(?:java|javax|jdk|sun|kotlin|scala|org\.apache|org\.springframework)\.")
_BETWEEN = re.compile(
    r"\n[ |]*\n?[ |]*(?:The above exception was the direct cause of the following exception:"
    r"|During handling of the above exception, another exception occurred:)[ |]*\n"
)
_LINE_MOST = 100_000


@frozen
class Frame:
    """One call of a stack. `module` is dotted or a file without its folders and its suffix."""

    module: str
    function: str
    line: int | None = None
    in_app: bool = True


@frozen
class Cause:
    """An exception: that of the span, or one that led to it."""

    kind: str
    message: str
    frames: Sequence[Frame] = ()


@frozen
class Told:
    """What a span says of its failure: the exception that ended it, then its causes.

    `origin` is the id of the span in which the same exception was told before.
    """

    causes: Sequence[Cause]
    origin: str = ""

    @property
    def kind(self) -> str:
        """The type of the exception without its module, empty if none was told."""
        return short_kind(self.causes[0].kind) if self.causes else ""

    @property
    def message(self) -> str:
        """The message of the exception, empty if none was told."""
        return self.causes[0].message if self.causes else ""

    @property
    def frames(self) -> Sequence[Frame]:
        """The calls of the innermost exception that has any, outermost first."""
        return next((each.frames for each in reversed(self.causes) if each.frames), ())


def short_kind(kind: str) -> str:
    """Return the name of an exception type without its module."""
    return kind.rpartition(".")[2]


def told_by(span: Span) -> Told:
    """Return what a span tells of its failure; empty if it tells nothing."""
    attributes = _exception_attributes(span)
    line_kind, line_message = _taken_apart(span.error)
    kind = first_text(attributes, _TYPES) or line_kind
    if kind.isdigit() or kind == "_OTHER":
        kind = line_kind
    message = first_text(attributes, _MESSAGES) or line_message or span.error
    stack = text_of_value(attributes.get(_STACK))[-_LINE_MOST:]
    chain = _told_chain(attributes.get("exception.chain"))
    frames = _told_frames(attributes.get("exception.frames"))
    blocks = _blocks(stack) if stack and not (chain and frames) else ()
    if blocks:
        frames = frames or blocks[0].frames
        chain = chain or blocks[1:]
        kind, message = kind or blocks[0].kind, message or blocks[0].message
    causes = (Cause(kind=kind, message=message, frames=frames), *chain)
    return Told(
        causes=causes if kind or message or frames else (),
        origin=text_of_value(attributes.get("exception.origin")),
    )


def _exception_attributes(span: Span) -> Mapping[str, Value]:
    """Return the attributes of a span and, over them, those of its last exception."""
    found: Attributes = {}
    for event in span.events:
        if event.name == "exception" or "exception.type" in event.attributes:
            found = event.attributes
    return {**span.attributes, **found} if found else span.attributes


def _taken_apart(text: str) -> tuple[str, str]:
    """Return the type and the message of a line such as `ValueError: no number`."""
    match = _TYPED.fullmatch(text.strip()) or _NAMED.fullmatch(text.strip())
    return (match["type"], match["message"] or "") if match else ("", "")


def _told_chain(value: Value) -> Sequence[Cause]:
    return [
        Cause(kind=text_of_value(each.get("type")), message=text_of_value(each.get("message")))
        for each in _mappings(value)
    ]


def _told_frames(value: Value) -> Sequence[Frame]:
    frames: list[Frame] = []
    for each in _mappings(value):
        line = each.get("line")
        frames.append(
            Frame(
                module=text_of_value(each.get("module")),
                function=text_of_value(each.get("function")),
                line=line if isinstance(line, int) else None,
                in_app=each.get("in_app") is not False,
            )
        )
    return frames


def _mappings(value: Value) -> Iterator[Mapping[str, Value]]:
    if is_list(value):
        for each in cast("Sequence[Value]", value):
            if isinstance(each, Mapping):
                yield each


def _blocks(stack: str) -> Sequence[Cause]:
    """Return the exceptions of a stack text, the one that came out first."""
    if "Caused by: " in stack:
        parts = stack.split("Caused by: ")
        return [_java_block(part) for part in parts]
    parts = _BETWEEN.split(stack)
    return [_block(part) for part in reversed(parts)]


def _block(text: str) -> Cause:
    frames = [frame for line in text.splitlines() if (frame := _frame(line)) is not None]
    if not _PYTHON.search(text):
        frames.reverse()  # the others tell the innermost call first
    kind, message = "", ""
    lines = [line.strip(" |+-") for line in text.strip().splitlines()]
    # Python says what happened below the calls, JavaScript and Java above them.
    for line in (*reversed(lines), ""):
        match = _TYPED.fullmatch(line) or _NAMED.fullmatch(line)
        if match:
            kind, message = match["type"], match["message"] or ""
            break
    return Cause(kind=kind, message=message, frames=frames)


def _java_block(text: str) -> Cause:
    block = _block(text)
    kind, _, message = text.partition("\n")[0].partition(": ")
    return Cause(kind=kind.strip() or block.kind, message=message, frames=block.frames)


def _frame(line: str) -> Frame | None:
    match = _PYTHON.match(line) or _SCRIPT.match(line)
    if match:
        file = match["file"]
        foreign = any(each in file for each in _FOREIGN) or _STANDARD.search(file) is not None
        return Frame(
            module=_module(file),
            function=match["function"] or "",
            line=int(match["line"]),
            in_app=not foreign,
        )
    match = _JAVA.match(line)
    if match is None:
        return None
    return Frame(
        module=match["module"],
        function=match["function"],
        line=int(match["line"]) if match["line"] else None,
        in_app=_JAVA_OWN.match(match["module"]) is None,
    )


def _module(file: str) -> str:
    """Return what of a path is the same on every machine: its folder and its name."""
    parts = re.split(r"[\\/]+", file)
    name = parts[-1].rsplit(".", 1)[0]
    return ".".join((*parts[-2:-1], name)).strip(".")
