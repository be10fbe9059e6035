"""`holdfast show`: all about a run."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.app.runtime import open_runtime
from holdfast.cli.list import status
from holdfast.cli.options import add_run_id
from holdfast.cli.output import Output, moment, seconds
from holdfast.cli.report import key_option, print_error, run_data
from holdfast.cli.settings import settings_of
from holdfast.cli.tables import print_table
from holdfast.engine.events import StepFinished
from holdfast.engine.history import History
from holdfast.engine.records import summarise
from holdfast.errors import HoldfastError
from holdfast.routing.cost import format_msat
from holdfast.settings import Settings
from holdfast.tasks.state import TaskState
from holdfast.tracing.exports.plain import span_data
from holdfast.tracing.span import Span
from holdfast.tracing.waterfall import bar, total_ns, waterfall


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    history: History
    spans: Sequence[Span]
    variables: Mapping[str, object]
    held: bool


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_id(parser)
    parser.add_argument("--full", action="store_true", help="show values whole")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the run."""
    view = asyncio.run(_read(settings_of(arguments, output), arguments.id))
    output.data(
        {
            **run_data(view.history),
            "held": view.held,
            "variables": view.variables,
            "spans": [span_data(span) for span in view.spans],
        }
    )
    if not output.as_json:
        _print(view, output, full=arguments.full)
    return 0


async def _read(settings: Settings, prefix: str) -> _View:
    async with open_runtime(settings, make=False) as runtime:
        run_id = await runtime.engine.find(prefix)
        history = await runtime.engine.history(run_id)
        variables: Mapping[str, object] = {}
        try:
            workflow = await runtime.workflow_of(history)
        except HoldfastError:
            workflow = None  # its modules may be gone; what the journal says still shows
        if workflow is not None:
            from holdfast.agents.replay import variables_of  # noqa: PLC0415

            variables = await variables_of(workflow, history, runtime.services)
        return _View(
            history=history,
            spans=await asyncio.to_thread(_spans, settings, run_id),
            variables=variables,
            held=await runtime.engine.is_held(history),
        )


def _spans(settings: Settings, run_id: str) -> Sequence[Span]:
    from holdfast.app.traces import open_traces  # noqa: PLC0415 - opened beside the runtime

    with open_traces(settings, make=False) as traces:
        return traces.spans(run_id)


def _print(view: _View, output: Output, *, full: bool) -> None:
    history, summary = view.history, summarise(view.history)
    width = output.width()
    output.line(f"{summary.name}  {summary.id}")
    output.line(f"  state     {status(summary, held=view.held)}")
    output.line(f"  created   {moment(summary.created_at)}   worked {seconds(summary.worked_ms)}")
    cost = format_msat(summary.cost_msat if summary.cost_known else None)
    output.line(f"  cost      {cost}")
    if len(history.claims) > 1:
        output.line(f"  taken up  {len(history.claims)} times")
    if history.birth.forked_from:
        output.line(f"  fork of   {history.birth.forked_from}")
    if summary.origin:
        output.line(f"  workflow  {summary.origin}")
    _print_values("inputs", history.birth.inputs, output, width, full=full)
    _print_values("variables", view.variables, output, width, full=full)
    _print_steps(history, output)
    _print_waterfall(view, output, width)
    if history.result is not None:
        _print_values("result", {"": history.result}, output, width, full=full)
    for key, request in history.open_requests.items():
        output.line(f"\nasks ({key}): {request.prompt}")
        words = ("answer", summary.id[:8], "ANSWER", *key_option(history, key))
        output.line(f"  {output.command(*words)}")
    if history.error is not None:
        output.line()
        print_error(history.error, output)


def _print_values(
    title: str, values: Mapping[str, object], output: Output, width: int, *, full: bool
) -> None:
    if not values:
        return
    output.line(f"\n{title}")
    longest = max(map(len, values))
    for name, value in values.items():
        text = value if isinstance(value, str) and full else json.dumps(value, ensure_ascii=False)
        room = max(20, width - longest - 5)
        if not full and len(text) > room:
            text = f"{text[: room - 12]}… ({len(text)} ch)"
        output.line(f"  {name.ljust(longest)} {text}" if name else f"  {text}")


def _print_steps(history: History, output: Output) -> None:
    if not history.steps:
        return
    rows: list[tuple[str, ...]] = [("STEP", "VISIT", "TOOK", "TRIES", "MODEL", "COST", "")]
    for step in history.steps.values():
        cost = step.meta.get("cost_msat")
        priced = format_msat(cost if isinstance(cost, int) else None)
        rows.append(
            (
                step.path,
                str(step.visit),
                seconds(step.took),
                str(step.attempts),
                _model_of(step),
                priced if "cost_msat" in step.meta else "",
                "failed" if step.error else "",
            )
        )
    output.line("\nsteps")
    print_table(rows, output, elastic=0, spare=("VISIT", "TRIES", "MODEL", "COST"), indent=2)


def _model_of(step: StepFinished) -> str:
    return f"{step.meta['provider']}/{step.meta['model']}" if "model" in step.meta else ""


def _print_waterfall(view: _View, output: Output, width: int) -> None:
    rows = waterfall(view.spans)
    if not rows:
        return
    total = total_ns(rows)
    names = ["  " * row.depth + row.span.name for row in rows]
    column = min(max(map(len, names)), width // 3)
    room = max(10, width - column - 16)
    output.line(f"\nwaterfall ({seconds(total / 1e6)})")
    for row, name in zip(rows, names, strict=True):
        mark = "" if _is_usual(row.span, view.history) else f" {row.span.status}"
        took = seconds(row.took_ns / 1e6)
        output.line(f"  {name[:column].ljust(column)} |{bar(row, total, room)}| {took}{mark}")


def _is_usual(span: Span, history: History) -> bool:
    """Whether nothing went wrong; a run is also stopped to be unloaded while it waits."""
    unloaded = span.kind == "run" and history.state is not TaskState.CANCELLED
    return span.status == "ok" or (span.status == "cancelled" and unloaded)
