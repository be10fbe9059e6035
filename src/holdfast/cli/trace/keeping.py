"""`holdfast trace pin`, `unpin`, `forget`, `sweep` and `state`."""

from __future__ import annotations

import argparse

from holdfast.app.traces import retention_of
from holdfast.cli.output import Output, count
from holdfast.cli.settings import settings_of
from holdfast.cli.trace.desk import find_trace, traces_of
from holdfast.cli.trace.parts import add_query, add_trace_id, query_of
from holdfast.cli.trace.printing import SHORT
from holdfast.clock import SystemClock
from holdfast.errors import UsageError
from holdfast.tracing.store.seam import ANY, Query


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    if verb in ("pin", "unpin"):
        add_trace_id(parser)
    if verb == "forget":
        parser.add_argument("id", metavar="ID", nargs="?", help="one trace, or say which below")
        parser.add_argument("--all", action="store_true", help="every trace there is")
        add_query(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Do what the verb does."""
    act = {"pin": _pin, "unpin": _pin, "forget": _forget, "sweep": _sweep, "state": _state}
    act[arguments.verb](arguments, output)
    return 0


def _pin(arguments: argparse.Namespace, output: Output) -> None:
    pinned = arguments.verb == "pin"
    with traces_of(arguments, output) as traces:
        trace_id = find_trace(traces, arguments.id)
        traces.pin(trace_id, pinned=pinned)
    output.data({"id": trace_id, "pinned": pinned})
    output.line(f"{trace_id[:SHORT]} {'stays' if pinned else 'goes with its age'}")


def _forget(arguments: argparse.Namespace, output: Output) -> None:
    query = query_of(arguments, SystemClock().now_ms())
    with traces_of(arguments, output) as traces:
        if arguments.id:
            query = Query(trace_id=find_trace(traces, arguments.id))
        elif query == ANY and not arguments.all:
            raise UsageError("say which traces to forget", hint="an id, --user NAME, ..., or --all")
        forgotten = traces.forget(query)
    output.data({"forgotten": forgotten})
    output.line(f"forgot {count(forgotten, 'trace')}")


def _sweep(arguments: argparse.Namespace, output: Output) -> None:
    settings = settings_of(arguments, output)
    now_ns = SystemClock().now_ms() * 1_000_000
    with traces_of(arguments, output) as traces:
        swept = traces.sweep(retention_of(settings), now_ns=now_ns)
    output.data({"traces": swept.traces, "parts": swept.parts, "bytes": swept.bytes})
    output.line(
        f"removed {count(swept.traces, 'trace')} and {count(swept.parts, 'part')} of payloads, "
        f"{swept.bytes:,} bytes"
    )


def _state(arguments: argparse.Namespace, output: Output) -> None:
    with traces_of(arguments, output) as traces:
        state = traces.state()
    output.data(
        {
            "traces": state.traces,
            "spans": state.spans,
            "open_spans": state.open_spans,
            "bytes": state.bytes,
            "payload_bytes": state.payload_bytes,
            "pinned": state.pinned,
            "lost": state.lost,
            "losses": dict(state.losses),
        }
    )
    output.line(f"{count(state.traces, 'trace')}, {state.spans:,} spans, {state.open_spans} open")
    output.line(f"{state.bytes:,} bytes, of them {state.payload_bytes:,} in payloads")
    output.line(f"{state.pinned} pinned")
    if state.lost:
        output.line(f"{state.lost:,} could not be kept:")
        for why, number in state.losses.items():
            output.line(f"  {number:,}  {why}")
