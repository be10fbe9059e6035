"""Tell what went wrong in a span: in one line, and whole in an event as OpenTelemetry has it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from types import TracebackType

from holdfast.tracing.safely import name_of, text_of
from holdfast.tracing.span import Status, Value

EVENT = "exception"
"""The name of the event that `describe` fills."""

_CANCELLED = frozenset({"CancelledError", "Cancelled", "KeyboardInterrupt"})
"""Of asyncio, of trio, and of a person."""

_MOST_CAUSES = 16
_MOST_FRAMES = 100
_ORIGIN = "__holdfast_origin__"
_FOREIGN = ("site-packages", "dist-packages", "<frozen")
_LIBRARY = os.path.dirname(os.__file__)  # noqa: PTH120 - a text that others begin with


def status_of(error: BaseException) -> Status:
    """Return how a block ended that an exception left."""
    if any(kind.__name__ in _CANCELLED for kind in type(error).__mro__):
        return "cancelled"
    if isinstance(error, SystemExit) and error.code in {None, 0}:
        return "ok"
    return "error"


def line_of(error: BaseException) -> str:
    """Return the class and the message of an error."""
    return f"{type(error).__name__}: {text_of(error)}"


def describe(error: BaseException, trace_id: str = "", span_id: str = "") -> dict[str, Value]:
    """Return the attributes of the event that tells of an exception; never raises.

    `exception.type`, `.message` and `.stacktrace` are those of OpenTelemetry. `exception.chain`
    lists the causes, the nearest first: mappings of `type`, `message` and `relation` (`cause`,
    `context` or `group`). `exception.frames` lists the calls, the innermost last: mappings of
    `module`, `function`, `file`, `line` and `in_app`. A span that an exception only passed on its
    way up has `exception.origin`, the id of the span that told all, instead of the two and of the
    stack.
    """
    told: dict[str, Value] = {"exception.type": name_of(error), "exception.message": text_of(error)}
    try:
        if origin := _origin(error, trace_id, span_id):
            told["exception.origin"] = origin
            return told
        told["exception.stacktrace"] = _stack(error)
        if chain := list(islice(_causes(error), _MOST_CAUSES)):
            told["exception.chain"] = chain
        told["exception.frames"] = list(_frames(error.__traceback__))
    except Exception as failure:  # noqa: BLE001 - a hostile exception must not become another one
        told["exception.untold"] = name_of(failure)
    return told


def _origin(error: BaseException, trace_id: str, span_id: str) -> str:
    """Return the span of this trace that told of this error before, and remember the first."""
    known = error.__dict__.get(_ORIGIN)
    if known and known[0] == trace_id:
        return str(known[1])
    if span_id:
        error.__dict__[_ORIGIN] = (trace_id, span_id)
    return ""


def _stack(error: BaseException) -> str:
    import traceback  # noqa: PLC0415 - most commands end without a failure

    return "".join(traceback.format_exception(error))


def _causes(error: BaseException) -> Iterator[Mapping[str, Value]]:
    seen, waiting = {id(error)}, [error]
    while waiting:
        for relation, cause in _direct_causes(waiting.pop(0)):
            if id(cause) in seen:
                continue
            seen.add(id(cause))
            waiting.append(cause)
            yield {"type": name_of(cause), "message": text_of(cause), "relation": relation}


def _direct_causes(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    if error.__cause__ is not None:
        yield "cause", error.__cause__
    elif error.__context__ is not None and not error.__suppress_context__:
        yield "context", error.__context__
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            yield "group", each


def _frames(trace: TracebackType | None) -> Iterator[Mapping[str, Value]]:
    """Return the innermost calls, those nearest to the failure last."""
    depth, step = 0, trace
    while step is not None:
        depth, step = depth + 1, step.tb_next
    while trace is not None:
        if depth <= _MOST_FRAMES:
            code, names = trace.tb_frame.f_code, trace.tb_frame.f_globals
            yield {
                "module": text_of(names.get("__name__", "")),
                "function": code.co_qualname,
                "file": code.co_filename,
                "line": trace.tb_lineno,
                "in_app": _is_of_application(code.co_filename),
            }
        depth, trace = depth - 1, trace.tb_next


def _is_of_application(file: str) -> bool:
    if any(each in file for each in _FOREIGN):
        return False
    return not file.startswith((_LIBRARY, sys.base_prefix + "/lib/python"))
