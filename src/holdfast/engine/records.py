"""Where the engine keeps what, and the small record that `list` shows of a run.

====================================  ==========================================================
log ``("run", id)``                   the events of the run: the truth
log ``("spans", id)``                 its finished spans
record ``("run", id)``                `RunSummary`, derived
record ``("run-open", id)``           state and holder, only while the run has not ended, derived
record ``("run-by-time", time, id)``  nothing; keys sort newest first
record ``("definition", sha256)``     what the program interprets (a workflow file)
record ``("holder", id)``             a process that holds leases, alive until it expires
record ``("inbox", holder, id)``      somebody else wrote to the log of a run that `holder` holds
====================================  ==========================================================
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

from holdfast.engine.events import to_json
from holdfast.engine.history import History
from holdfast.storage.seam import ANY, Append, Delete, Key, Operation, Put
from holdfast.tasks.state import TaskState, is_terminal

_LATEST_MS = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What there is to say about a run in one line. Times in milliseconds of the epoch.

    `cost_msat` adds what is known; `cost_known` is false if any call's cost was not. `holder` is
    the process that holds the run's lease, if one does.
    """

    id: str
    name: str
    state: TaskState
    created_at: int
    updated_at: int
    ended_at: int | None
    worked_ms: int
    steps: int
    cost_msat: int
    cost_known: bool
    waiting_for: Sequence[str]
    error: str
    holder: str | None
    origin: str


def run_log(run_id: str) -> Key:
    """Return the name of the log of a run."""
    return ("run", run_id)


def run_key(run_id: str) -> Key:
    """Return the key of the summary of a run."""
    return ("run", run_id)


def open_key(run_id: str) -> Key:
    """Return the key of the marker that a run has not ended."""
    return ("run-open", run_id)


def time_key(created_at: int, run_id: str) -> Key:
    """Return a key that sorts newer runs before older ones."""
    return ("run-by-time", f"{_LATEST_MS - created_at:015d}", run_id)


def definition_key(digest: str) -> Key:
    """Return the key of a definition."""
    return ("definition", digest)


def holder_key(holder: str) -> Key:
    """Return the key of a process that holds leases."""
    return ("holder", holder)


def inbox_key(holder: str, run_id: str) -> Key:
    """Return the key of the note that a run's log has news for its holder."""
    return ("inbox", holder, run_id)


def summarise(history: History) -> RunSummary:
    """Return the summary of a run."""
    birth = history.birth
    costs = [step.meta["cost_msat"] for step in history.steps.values() if "cost_msat" in step.meta]
    return RunSummary(
        id=birth.id,
        name=birth.name,
        state=history.state,
        created_at=birth.at,
        updated_at=history.updated_at,
        ended_at=history.ended_at,
        worked_ms=history.worked_ms,
        steps=len(history.steps),
        cost_msat=sum(cast("int", cost) for cost in costs if cost is not None),
        cost_known=None not in costs,
        waiting_for=tuple(history.open_requests),
        error=str(history.error["message"]) if history.error else "",
        holder=history.holder,
        origin=birth.origin,
    )


def encode_summary(summary: RunSummary) -> bytes:
    """Return the summary as JSON."""
    return to_json(asdict(summary), what="a summary").encode("utf-8", "surrogatepass")


def decode_summary(data: bytes) -> RunSummary:
    """Return the summary that `encode_summary` wrote."""
    members = json.loads(data.decode("utf-8", "surrogatepass"))
    members["state"] = TaskState(members["state"])
    return RunSummary(**members)


def derived(history: History) -> tuple[Operation, Operation]:
    """Return the writes that bring the summary and the open marker up to the history.

    In this order a crash between them leaves a marker too many, which recovery sees, never one
    too few.
    """
    summary = summarise(history)
    marker: Operation = Delete(key=open_key(summary.id), expected=ANY)
    if not is_terminal(summary.state):
        value = to_json({"state": summary.state, "holder": summary.holder}, what="a marker")
        marker = Put(key=open_key(summary.id), value=value.encode(), expected=ANY)
    return Put(key=run_key(summary.id), value=encode_summary(summary), expected=ANY), marker


def log_append(run_id: str, entries: Sequence[bytes], tail: int) -> Append:
    """Return the write that adds to the log of a run if nobody else has since `tail`."""
    return Append(log=run_log(run_id), entries=entries, expected=tail)
