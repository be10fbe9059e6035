"""`holdfast trace tail`: spans as they end."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from holdfast.app.following import MOST, Follower, has_traces, open_follower
from holdfast.cli.output import Output, moment
from holdfast.cli.settings import settings_of
from holdfast.cli.trace.desk import find_trace, traces_of
from holdfast.cli.trace.printing import SHORT, took
from holdfast.cli.trace.waiting import waiting_shown
from holdfast.clock import Clock, SystemClock
from holdfast.settings import Settings
from holdfast.tracing.exports.plain import span_data
from holdfast.tracing.span import Span
from holdfast.tracing.store.seam import ANY, Query

_PAUSE = 0.2


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    del verb
    parser.add_argument(
        "id",
        metavar="ID",
        nargs="?",
        help="only this trace (or the beginning of its id; `last` is the newest)",
    )
    parser.add_argument("--kind", help="only spans of this kind: step, model, tool, ...")
    parser.add_argument("--failed", action="store_true", help="only what did not end well")
    parser.add_argument(
        "--once", action="store_true",
        help=f"print what is there now of the {MOST} newest traces, and what is open, and end",
    )  # fmt: skip


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print spans until somebody interrupts."""
    query = ANY
    if arguments.id is not None:
        with traces_of(arguments, output) as traces:
            query = Query(trace_id=find_trace(traces, arguments.id))
    settings, from_now = settings_of(arguments, output), not arguments.once
    if from_now and not has_traces(settings):
        output.note("no traces yet; this waits for the first, which a run of a workflow leaves")
        asyncio.run(_wait_for_traces(settings, SystemClock()))
        from_now = False
    with ExitStack() as opened:
        with waiting_shown(output) as watch:
            following = open_follower(settings, query=query, from_now=from_now, watch=watch)
            follower = opened.enter_context(following)
        asyncio.run(_follow(arguments, output, follower, SystemClock()))
    return 0


async def _wait_for_traces(settings: Settings, clock: Clock) -> None:
    while not has_traces(settings):
        await clock.sleep(_PAUSE)


async def _follow(
    arguments: argparse.Namespace, output: Output, follower: Follower, clock: Clock
) -> None:
    while True:
        ended = [span for span in follower.news() if _is_wanted(span, arguments)]
        _print(ended, output)
        if arguments.once:
            still_open = [span for span in follower.open() if _is_wanted(span, arguments)]
            _print(still_open, output)
            if not ended and not still_open:
                output.note("no such spans; a run of a workflow leaves some")
            return
        output.flush()
        await clock.sleep(_PAUSE)


def _is_wanted(span: Span, arguments: argparse.Namespace) -> bool:
    return (not arguments.kind or span.kind == arguments.kind) and (
        not arguments.failed or span.status not in ("ok", "unset", "open")
    )


def _print(spans: Iterable[Span], output: Output) -> None:
    for span in spans:
        if output.as_json:  # a document a line, so that it can be read as it comes
            output.raw(json.dumps(span_data(span), ensure_ascii=False) + "\n")
        else:
            output.line(_line(span))


def _line(span: Span) -> str:
    at = moment(span.end_ns // 1_000_000).partition(" ")[2]
    status = "" if span.status in ("ok", "unset") else f"  {span.status}"
    error = f"  {span.error.partition(chr(10))[0]}" if span.error else ""
    parts: Sequence[str] = (at, span.trace_id[:SHORT], f"{span.kind:<8}", span.name)
    return "  ".join(parts) + f"  {took(span.duration_ns)}{status}{error}"
