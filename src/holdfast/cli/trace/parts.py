"""Arguments that verbs of `holdfast trace` share, and what they mean."""

from __future__ import annotations

import argparse
import re

from holdfast.cli.times import read_time
from holdfast.errors import UsageError
from holdfast.tracing.store.seam import Query

_STATUSES = ("ok", "error", "cancelled", "open", "lost", "unset")
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h)")
_UNITS = {"us": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9}


def add_trace_id(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names a trace."""
    parser.add_argument(
        "id", metavar="ID", help="the id of a trace or run, or its beginning; `last` is the newest"
    )


def add_query(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which traces are meant."""
    group = parser.add_argument_group("which traces")
    group.add_argument("--status", choices=_STATUSES, action="append", help="that ended so")
    group.add_argument("--name", default="", help="of this name")
    group.add_argument("--span", default="", metavar="NAME", help="with a span of this name")
    group.add_argument("--workflow", default="", metavar="NAME", help="of this workflow")
    group.add_argument("--session", default="", metavar="NAME", help="of this session")
    group.add_argument("--user", default="", metavar="NAME", help="of this user")
    group.add_argument("--release", default="", metavar="NAME", help="of this release")
    group.add_argument(
        "--model",
        default="",
        metavar="NAME",
        help="that called this model: MODEL or PROVIDER/MODEL",
    )
    group.add_argument("--error-class", default="", metavar="CLASS", help="with such an error")
    group.add_argument("--since", metavar="TIME", help="begun then or later: 2h, 3d, ISO 8601")
    group.add_argument("--until", metavar="TIME", help="begun before: 2h, 3d, ISO 8601")
    group.add_argument("--longer-than", metavar="LENGTH", help="that took longer: 500ms, 2s, 5m")
    group.add_argument("--text", default="", metavar="WORDS", help="with these words in it")


def query_of(arguments: argparse.Namespace, now_ms: int) -> Query:
    """Return which traces the options mean.

    Raises:
        UsageError: a time or a length is none.
    """
    return Query(
        status=tuple(arguments.status or ()),
        name=arguments.name,
        span=arguments.span,
        workflow=arguments.workflow,
        session=arguments.session,
        user=arguments.user,
        release=arguments.release,
        model=arguments.model,
        error_class=arguments.error_class,
        since_ns=_instant(arguments.since, now_ms),
        until_ns=_instant(arguments.until, now_ms),
        at_least_ns=_length(arguments.longer_than),
        text=arguments.text,
    )


def _instant(text: str | None, now_ms: int) -> int | None:
    at = read_time(text, now_ms)
    return None if at is None else at * 1_000_000


def _length(text: str | None) -> int | None:
    if text is None:
        return None
    match = _LENGTH.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no length of time", hint="write 300us, 500ms, 2s, 5m or 1h")
    return round(float(match[1]) * _UNITS[match[2]])
