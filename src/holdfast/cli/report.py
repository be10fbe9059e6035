"""Say how a run stands: as text and as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from holdfast import errors
from holdfast.cli.output import Output, count, iso, seconds
from holdfast.engine.history import History
from holdfast.engine.records import summarise
from holdfast.routing.cost import format_msat
from holdfast.tasks.state import TaskState

WAITING_CODE, FAILED_CODE, CANCELLED_CODE = 3, 1, 7


def run_data(history: History) -> dict[str, object]:
    """Return how a run stands, for programs."""
    summary = summarise(history)
    return {
        "id": summary.id,
        "name": summary.name,
        "state": str(summary.state),
        "created_at": iso(summary.created_at),
        "updated_at": iso(summary.updated_at),
        "ended_at": iso(summary.ended_at),
        "worked_ms": summary.worked_ms,
        "inputs": history.birth.inputs,
        "result": history.result,
        "error": history.error,
        "cost_msat": summary.cost_msat if summary.cost_known else None,
        "steps": [
            {
                "path": step.path,
                "visit": step.visit,
                "started_at": iso(step.at - step.took),
                "duration_ms": step.took,
                "attempts": step.attempts,
                "error": step.error,
                **step.meta,
            }
            for step in history.steps.values()
        ],
        "requests": [
            {"key": key, "prompt": request.prompt, "schema": request.schema}
            for key, request in history.open_requests.items()
        ],
        "claims": len(history.claims),
        "origin": summary.origin,
        "forked_from": history.birth.forked_from or None,
    }


def exit_code(history: History) -> int:
    """Return the exit code that says how a run stands."""
    match history.state:
        case TaskState.COMPLETED:
            return 0
        case TaskState.FAILED:
            return cast("int", (history.error or {}).get("exit_code", FAILED_CODE))
        case TaskState.CANCELLED:
            return CANCELLED_CODE
        case TaskState.PENDING | TaskState.WORKING | TaskState.INPUT_REQUIRED:
            return WAITING_CODE if history.open_requests else FAILED_CODE


def report(history: History, output: Output) -> int:
    """Print how a run stands after this process has worked on it; return the exit code."""
    output.data(run_data(history))
    if history.state is TaskState.COMPLETED:
        output.line(text_of(history.result))
    output.note(headline(history))
    print_open_ends(history, output)
    output.suggest("  ", "show", history.birth.id[:8])
    return exit_code(history)


def print_open_ends(history: History, output: Output) -> None:
    """Print why a run failed or what it asks, and how to go on."""
    short = history.birth.id[:8]
    if history.error is not None:
        print_error(history.error, output)
        output.suggest("  to go on from there in a new run: ", "fork", short)
    for key, request in history.open_requests.items():
        output.note(f"it asks ({key}): {request.prompt}")
        before = f"  {_choices(request.schema)}answer it with: "
        output.suggest(before, "answer", short, "ANSWER", *key_option(history, key))
    if history.open_requests and not output.keeps_runs:
        output.note("  the store was in memory: the run is gone and cannot be answered")


def key_option(history: History, key: str) -> list[str]:
    """Return what tells a question from the others that the run asks."""
    return ["--key", key] if len(history.open_requests) > 1 else []


def headline(history: History) -> str:
    """Return one line: name, id, state, steps, time, cost."""
    summary = summarise(history)
    cost = format_msat(summary.cost_msat if summary.cost_known else None)
    return (
        f"{summary.name} {summary.id[:8]} {_state(summary.state)}: {count(summary.steps, 'step')}, "
        f"{seconds(summary.worked_ms)} worked, cost {cost}"
    )


def print_error(error: Mapping[str, object], output: Output) -> None:
    """Print why a run failed and what to do."""
    step = f"{error['step']}: " if error.get("step") else ""
    output.note(f"error: {step}{_kind(error)}{error['message']}")
    if error.get("hint"):
        output.note(f"  {error['hint']}")


def _kind(error: Mapping[str, object]) -> str:
    """Return the type of an error that was not made for people, such as the `KeyError` of a node."""
    name = str(error.get("type", ""))
    message = str(error["message"])
    ours = hasattr(errors, name) or name == "WorkflowInvalid"
    return "" if ours or not name or message == name else f"{name}: "


def text_of(value: object) -> str:
    """Return a result as text: strings as they are, the rest as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2)


def _state(state: TaskState) -> str:
    return "waits for an answer" if state is TaskState.INPUT_REQUIRED else str(state)


def _choices(schema: Mapping[str, object]) -> str:
    values = schema.get("enum")
    if not isinstance(values, list):
        return ""
    return "one of " + ", ".join(map(str, cast("list[object]", values))) + "; "
