"""Where the engine keeps what, besides the tasks that its runs are (`holdfast.tasks.keys`).

====================================  ==========================================================
record ``("definition", sha256)``     what the program interprets (a workflow file)
record ``("holder", id)``             a process that holds leases, alive until it expires
record ``("inbox", holder, id)``      somebody else wrote to the log of a run that `holder` holds
====================================  ==========================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.engine.history import History
from holdfast.storage.seam import ANY, Append, Key, Operation, Put
from holdfast.tasks.codec import to_bytes
from holdfast.tasks.events import link
from holdfast.tasks.keys import FEED, derived, derived_keys, task_key, task_log
from holdfast.tasks.loading import differences
from holdfast.tasks.snapshots import encode_snapshot
from holdfast.tasks.summaries import Summary
from holdfast.tasks.summaries import summarise as summarise_task


def definition_key(digest: str) -> Key:
    """Return the key of a definition."""
    return ("definition", digest)


def holder_key(holder: str) -> Key:
    """Return the key of a process that holds leases."""
    return ("holder", holder)


def inbox_key(holder: str, run_id: str) -> Key:
    """Return the key of the note that a run's log has news for its holder."""
    return ("inbox", holder, run_id)


def summarise(history: History) -> Summary:
    """Return the summary of a run."""
    return summarise_task(history.task)


def log_append(run_id: str, entries: Sequence[bytes], tail: int) -> Append:
    """Return the write that adds to the log of a run if nobody else has since `tail`."""
    return Append(log=task_log(run_id), entries=entries, expected=tail)


def linked(entries: Sequence[bytes], prev: str) -> list[bytes]:
    """Return entries that name nobody as ones that follow `prev` and one another."""
    chain: list[bytes] = []
    for entry in entries:
        data, prev = link(entry, prev)
        chain.append(data)
    return chain


def record_writes(before: History, after: History) -> Iterator[Operation]:
    """Return the writes that bring the record, and what is derived from it, up to `after`.

    The log has decided, so they take whatever is there.
    """
    task, value = after.task, encode_snapshot(after.snapshot)
    yield Put(
        key=task_key(task.owner, task.id), value=value, expected=ANY, expires_at=task.expires_at
    )
    # All of it is written anew: next to nothing of a run that moves on stays as it was.
    yield from differences(dict.fromkeys(derived_keys(before.task)), derived(task, len(value)))
    news = to_bytes((task.owner, task.id), what="the id of a run")
    yield Append(log=FEED, entries=[news])
