"""What anyone may do to a run, whether or not they work on it: read, decide, write, or try again.

Each change says which entry of the run's log it was decided on, so two that meet cannot both win.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import reduce
from typing import cast

from holdfast.engine.events import Redefined, StepStarted
from holdfast.engine.history import History
from holdfast.engine.holders import Holder
from holdfast.engine.journal import load_history
from holdfast.engine.records import definition_key, linked, log_append, record_writes
from holdfast.errors import RunBusy, RunConflict, RunNotFound, StorageCorrupt
from holdfast.ids import ID_LENGTH, normalise_prefix
from holdfast.storage.fallback import write_all
from holdfast.storage.paging import every_record
from holdfast.storage.seam import ANY, Conflict, Store, can_batch
from holdfast.tasks.events import (
    Cancelled,
    CancelRequested,
    Claimed,
    Event,
    InputAnswered,
    InputRequested,
    encode_event,
)
from holdfast.tasks.fold import evolve
from holdfast.tasks.keys import decode_open, encode_open, open_key, task_key
from holdfast.tasks.loading import rewrite
from holdfast.tasks.record import Task
from holdfast.tasks.state import TaskState, is_terminal
from holdfast.tasks.summaries import Summary, decode_summary
from holdfast.tasks.unit import Desk, Unit

_PAGE = 500

Keep = Callable[[str], bool]
"""Whether a fork keeps what is known of the step, or of the question, with this path."""


async def store_definition(store: Store, definition: bytes) -> str:
    """Keep a definition under its SHA-256 and return that; nothing for an empty one."""
    if not definition:
        return ""
    digest = hashlib.sha256(definition).hexdigest()
    key = definition_key(digest)
    if await store.get(key) is None:
        await store.put(key, definition, expected=ANY)
    return digest


async def load_definition(store: Store, digest: str) -> bytes:
    """Return the definition with this SHA-256."""
    if not digest:
        return b""
    record = await store.get(definition_key(digest))
    if record is None:
        raise StorageCorrupt(
            f"the definition {digest[:12]} of a run is missing",
            hint="resume it with its edited workflow file, or restore the store from a backup",
        )
    return record.value


async def create(desk: Desk, run_id: str, events: Sequence[Event]) -> History:
    """Write the first events of a run.

    Raises:
        QuotaExceeded: the owner has as much as it may have.
    """

    async def decide(unit: Unit) -> History:
        unit.make(run_id)
        unit.add(run_id, *events)
        return History.of(*unit.made(run_id))

    if not can_batch(desk.store):
        # A marker without a run is harmless; a run without a marker is not found after a crash.
        task = reduce(evolve, events, cast("Task | None", None))
        assert task is not None
        await desk.store.put(open_key(task.owner, run_id), encode_open(task, 0), expected=ANY)
    return await desk.change(decide)


def remembered(history: History, keep: Keep) -> list[Event]:
    """Return what a fork of a run begins with: finished steps and answers that `keep` lets through.

    A step that failed is left out; of an at-most-once step that was under way it is remembered
    that it had begun. What a step cost was paid by the run that it comes from.
    """
    events: list[Event] = []
    for step in history.steps.values():
        if step.error is None and keep(step.path):
            paid = {"cost_msat": 0, "paid_by": history.birth.id} if "cost_msat" in step.meta else {}
            events.append(replace(step, meta={**step.meta, **paid}))
    for path, visit in history.started - history.steps.keys():
        if keep(path):
            events.append(StepStarted(at=history.birth.at, path=path, visit=visit))
    for key, answer in history.answers.items():
        if keep(key.partition("#")[0]):
            asked = history.requests[key]
            events += [
                InputRequested(at=asked.at, key=key, prompt=asked.prompt, schema=asked.schema),
                InputAnswered(at=asked.at, key=key, answer=answer.value, by="fork"),
            ]
    return events


Decide = Callable[[History], Awaitable[Sequence[Event]]]


async def change(store: Store, run_id: str, decide: Decide) -> History:
    """Append what `decide` makes of the history, as often as it takes until nobody came between.

    `decide` returns no events to leave the run as it is.
    """
    while True:
        before = await load_history(store, run_id)
        events = await decide(before)
        if not events:
            return before
        after = before.copy()
        entries = linked([encode_event(event, "") for event in events], before.prev)
        for event, data in zip(events, entries, strict=True):
            after.check(event)
            after.take(event, data)
        operations = [log_append(run_id, entries, before.tail), *record_writes(before, after)]
        if not isinstance(await write_all(store, operations), Conflict):
            return after


async def claim(
    store: Store, holder: Holder, run_id: str, *, now: int, definition: bytes | None
) -> History:
    """Take a run over for `holder`.

    Raises:
        RunBusy: another live process holds it.
        RunConflict: it has ended.
    """
    digest = None if definition is None else await store_definition(store, definition)

    async def decide(history: History) -> Sequence[Event]:
        _refuse_ended(history, "resumed")
        if await holder.is_alive(history.holder):
            raise RunBusy(
                f"another process works on run {run_id}",
                hint="wait for it, or stop that process; its lease ends soon after",
            )
        events: list[Event] = [Claimed(at=now, holder=holder.id, fence=history.fence + 1)]
        if digest is not None and digest != history.definition:
            events.append(Redefined(at=now, definition=digest))
        return events

    return await change(store, run_id, decide)


async def answer(
    store: Store, run_id: str, key: str, value: object, *, now: int, by: str
) -> History:
    """Append an answer to an open request."""

    async def decide(history: History) -> Sequence[Event]:
        _refuse_ended(history, "answered")
        if key not in history.open_requests:
            keys = ", ".join(map(repr, history.open_requests)) or "nothing"
            asked = "was answered already" if key in history.answers else "was never asked"
            raise RunConflict(f"{key!r} {asked} in run {run_id}", hint=f"it waits for {keys}")
        return [InputAnswered(at=now, key=key, answer=value, by=by)]

    return await change(store, run_id, decide)


async def cancel(store: Store, holder: Holder, run_id: str, *, now: int, by: str) -> History:
    """Append the wish to cancel, and the end too where no live process has to be asked."""

    async def decide(history: History) -> Sequence[Event]:
        if history.state is TaskState.CANCELLED:
            return []
        _refuse_ended(history, "cancelled")
        wish = CancelRequested(at=now, by=by)
        if not await holder.is_alive(history.holder):
            return [wish, Cancelled(at=now)]
        return [] if history.cancel_requested else [wish]

    return await change(store, run_id, decide)


async def heal(store: Store, owner: str, run_id: str) -> None:
    """Bring the record of a run up to its log, where a crash left it behind."""
    await rewrite(store, owner, run_id)
    if (await load_history(store, run_id)).ended_at is not None:
        await store.delete(open_key(owner, run_id), expected=ANY)


async def find(store: Store, owner: str, prefix: str) -> str:
    """Return the one id of the owner's runs and other tasks that starts with `prefix`."""
    wanted = normalise_prefix(prefix)
    if wanted is None:
        raise RunNotFound(
            f"{prefix!r} is not the beginning of a run id",
            hint="an id is made of the digits 0-9 and a-f; `holdfast list` shows them",
        )
    if len(wanted) == ID_LENGTH and await store.get(task_key(owner, wanted)) is not None:
        return wanted
    page = await store.scan(("task", owner), after=task_key(owner, wanted), limit=6)
    ids = [record.key[2] for record in page if record.key[2].startswith(wanted)]
    if len(ids) == 1:
        return ids[0]
    if not ids:
        raise RunNotFound(
            f"no run has an id that starts with {prefix!r}", hint="`holdfast list` shows the runs"
        )
    more = ", …" if len(ids) > 5 else ""
    raise RunNotFound(
        f"{len(ids)} runs or more have ids that start with {prefix!r}" if more else
        f"{len(ids)} runs have ids that start with {prefix!r}",
        hint="give more digits: " + ", ".join(found[:12] for found in ids[:5]) + more,
    )  # fmt: skip


async def list_runs(store: Store, owner: str, *, limit: int) -> list[Summary]:
    """Return the newest runs, newest first."""
    found: list[Summary] = []
    async for record in every_record(store, ("task-by-time", owner), page=min(_PAGE, limit + 1)):
        summary = decode_summary(record.value)
        if summary.kind == "run":
            found.append(summary)
            if len(found) == limit:
                break
    return found


async def orphans(store: Store, owner: str, holder: Holder) -> list[str]:
    """Return the runs that could go on and that no live process holds."""
    found: list[str] = []
    alive: dict[str | None, bool] = {holder.id: True}
    async for record in every_record(store, ("task-open", owner)):
        marker = decode_open(record.value)
        waits = marker.state is TaskState.INPUT_REQUIRED and marker.holder is None
        if marker.kind != "run" or waits:
            continue
        if marker.holder not in alive:
            alive[marker.holder] = await holder.is_alive(marker.holder)
        if not alive[marker.holder]:
            found.append(record.key[2])
    return found


def _refuse_ended(history: History, what: str) -> None:
    if is_terminal(history.state):
        raise RunConflict(
            f"run {history.birth.id} has ended ({history.state}) and cannot be {what}",
            hint=f"`holdfast fork {history.birth.id[:8]}` starts a new run with what it finished",
        )
