"""`holdfast answer`: answer what a run asks for, and go on with it."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import dataclass

from holdfast.agents.types import STR, Type, coerce_text
from holdfast.agents.workflow import Workflow
from holdfast.app.runtime import Runtime, open_runtime
from holdfast.cli.driving import drive
from holdfast.cli.options import add_quiet, add_run_id, add_use
from holdfast.cli.output import Output
from holdfast.cli.progress import progress_display
from holdfast.cli.report import print_open_ends, report, run_data
from holdfast.cli.settings import settings_of
from holdfast.engine.history import History
from holdfast.errors import InputError, RunConflict, UsageError
from holdfast.tasks.record import InputRequest


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_id(parser)
    parser.add_argument("answer", metavar="ANSWER", help="the answer; lists and objects as JSON")
    parser.add_argument("--key", help="which question, if the run asks several")
    add_use(parser)
    parser.add_argument("--no-resume", action="store_true", help="only note the answer")
    add_quiet(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Note the answer durably, then go on with the run."""
    settings = settings_of(arguments, output)
    with progress_display(output, quiet=arguments.quiet) as observer:
        opening = open_runtime(settings, observer=observer, make=False)
        outcome = asyncio.run(drive(opening, lambda runtime: _answer(runtime, arguments, output)))
    if isinstance(outcome, _Noted):
        return _report_noted(outcome, output)
    return report(outcome, output)


@dataclass(frozen=True, slots=True)
class _Noted:
    """An answer that this process does not act upon; another one does if the run is `held`."""

    history: History
    held: bool


async def _answer(
    runtime: Runtime, arguments: argparse.Namespace, output: Output
) -> History | _Noted:
    engine = runtime.engine
    run_id = await engine.find(arguments.id)
    output.run_id = run_id
    history = await engine.history(run_id)
    key = _choose(history, arguments.key, output)
    workflow = await runtime.workflow_of(history)
    value = _read(workflow, key, history.requests[key], arguments.answer)
    held = await engine.is_held(history)
    if workflow is not None and not (arguments.no_resume or held):
        # Before anything is written: what is refused must leave nothing behind.
        await runtime.choose_workflow(history, arguments.use)
    history = await engine.answer(run_id, key, value, by="cli")
    held = await engine.is_held(history)
    if arguments.no_resume or (held and not history.open_requests):
        return _Noted(history, held)
    if history.open_requests:
        return history
    await runtime.resume_workflow(run_id, use=arguments.use)
    return await engine.settle(run_id)


def _report_noted(noted: _Noted, output: Output) -> int:
    history = noted.history
    output.data(run_data(history))
    output.note("the answer is noted")
    print_open_ends(history, output)
    if noted.held:
        output.note("  the process that works on the run goes on with it")
    elif not history.open_requests:
        output.suggest("  go on with: ", "resume", history.birth.id[:8])
    return 0


def _choose(history: History, key: str | None, output: Output) -> str:
    """Return the key of the question that is answered."""
    requests = history.open_requests
    if not requests:
        raise RunConflict(
            f"run {history.birth.id} asks for nothing",
            hint=f"{output.command('show', history.birth.id[:8])} shows how it stands",
        )
    keys = ", ".join(requests)
    if key is None and len(requests) > 1:
        raise UsageError(
            f"the run asks {len(requests)} questions", hint=f"add --key with one of: {keys}"
        )
    if key is not None and key not in requests:
        raise UsageError(f"the run does not ask {key!r}", hint=f"it asks: {keys}")
    return key or next(iter(requests))


def _read(workflow: Workflow | None, key: str, request: InputRequest, text: str) -> object:
    """Return the answer as the type that the node declares."""
    if workflow is None:
        return _as_json_or_text(text)
    try:
        return coerce_text(_wanted(workflow, key, request), text)
    except InputError as error:
        raise InputError(f"the answer to {key!r}: {error.message}", hint=error.hint) from error


def _wanted(workflow: Workflow, key: str, request: InputRequest) -> Type:
    if key.endswith("!interrupted"):
        values = request.schema.get("enum")
        return Type(kind="enum", values=tuple(values) if isinstance(values, list) else ())  # pyright: ignore[reportUnknownArgumentType]
    node = workflow.nodes.get(key.partition("#")[0].partition("[")[0])
    return node.returns if node is not None else STR


def _as_json_or_text(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
