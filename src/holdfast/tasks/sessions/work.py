"""How the work of a session, or of a whole project, stands: the values that a resume is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.storage.paging import every_record
from holdfast.storage.seam import Store
from holdfast.tasks.events import Noted
from holdfast.tasks.keys import decode_open
from holdfast.tasks.loading import read_task
from holdfast.tasks.reading import history
from holdfast.tasks.record import InputRequest, Task
from holdfast.tasks.requests import Binding, Filter
from holdfast.tasks.sessions.fold import Story, tell
from holdfast.tasks.sessions.keys import session_log
from holdfast.tasks.sessions.listing import every_task, open_sessions
from holdfast.tasks.sessions.loading import load_session
from holdfast.tasks.sessions.record import Session
from holdfast.tasks.state import TaskState
from holdfast.tasks.summaries import Summary, decode_summary, summarise

Living = Callable[[str], Awaitable[bool]]
"""Whether the holder of a lease without an end is alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """A task that somebody has begun.

    `is_abandoned` says whether anybody may take it over: its holder let the lease end, or is dead.
    `notes` are the notes of its history, oldest first.
    """

    task: Summary
    is_abandoned: bool
    notes: Sequence[Noted] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A task that asks for something, and what nobody has answered."""

    task: Summary
    requests: Mapping[str, InputRequest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How the work stands at `now`. Without a session it is that of the whole project.

    `ready` is in the order in which it should be done; `sessions` are the open ones if none was
    chosen; `ended` counts the tasks of the session that have ended, by state.
    """

    now: int
    story: Story | None = None
    sessions: Sequence[Session] = ()
    active: Sequence[Active] = ()
    waiting: Sequence[Waiting] = ()
    ready: Sequence[Summary] = ()
    blocked: Sequence[Summary] = ()
    ended: Mapping[TaskState, int] = field(default_factory=dict[TaskState, int])


async def load_work(
    store: Store, *, owner: str, session: str, now: int, is_alive: Living | None = None
) -> Work:
    """Return how the work of a session stands, or that of the whole project if it is empty.

    Raises:
        SessionNotFound: the owner has no such session.
    """
    story, sessions = None, list[Session]()
    ended: Counter[TaskState] = Counter()
    if session:
        await load_session(store, owner, session)
        entries = await store.read(session_log(session))
        story = tell(session, (entry.value for entry in entries))
        tasks = await _open_of_session(store, owner, session, ended)
    else:
        sessions = await open_sessions(store, owner)
        tasks = await _open_of_project(store, owner)
    states = {state: [each for each in tasks if each.state is state] for state in TaskState}
    pending = states[TaskState.PENDING]
    # A run that nobody has begun is not given out as a task: it is the engine's to go on with.
    runs = [each for each in pending if each.kind == "run" and not each.blockers]
    begun = _newest([*states[TaskState.WORKING], *runs])
    return Work(
        now=now,
        story=story,
        sessions=sessions,
        active=[await _active(store, owner, each, now, is_alive) for each in begun],
        waiting=await _waiting(store, owner, states[TaskState.INPUT_REQUIRED]),
        ready=sorted(
            (each for each in pending if each.is_ready and each.kind == "task"),
            key=lambda each: (each.priority, each.created_at, each.id),
        ),
        blocked=[each for each in pending if each.blockers],
        ended=ended,
    )


def _newest(tasks: Sequence[Summary]) -> list[Summary]:
    """Return the tasks that changed last first."""
    return sorted(tasks, key=lambda each: (-each.updated_at, each.id))


async def _open_of_session(
    store: Store, owner: str, session: str, ended: Counter[TaskState]
) -> list[Summary]:
    found: list[Summary] = []
    async for task in every_task(store, owner, Filter(session=session)):
        if task.ended_at is None:
            found.append(task)
        else:
            ended[task.state] += 1
    return found


async def _open_of_project(store: Store, owner: str) -> list[Summary]:
    """Return the open tasks, without a look at the many that have ended."""
    found: dict[str, Summary] = {}
    async for record in every_record(store, ("task-ready", owner)):
        found[record.key[4]] = decode_summary(record.value)
    async for record in every_record(store, ("task-open", owner)):
        task_id, known = record.key[2], found.get(record.key[2])
        if known is not None and decode_open(record.value).state is known.state:
            continue
        held = await read_task(store, owner, task_id)
        if held is not None and not held.task.has_ended:
            found[task_id] = summarise(held.task)
        else:
            found.pop(task_id, None)
    return list(found.values())


async def _active(
    store: Store, owner: str, task: Summary, now: int, is_alive: Living | None
) -> Active:
    abandoned = not task.holder and task.kind == "run"
    if task.holder and task.lease_until is not None:
        abandoned = task.lease_until <= now
    elif task.holder and is_alive is not None:
        abandoned = not await is_alive(task.holder)
    held = await read_task(store, owner, task.id)
    notes: list[Noted] = []
    if held is not None and held.task.notes:
        happenings = await history(store, Binding(owner=owner), task.id)
        notes = [each.event for each in happenings if isinstance(each.event, Noted)]
    return Active(task=task, is_abandoned=abandoned, notes=notes)


async def _waiting(store: Store, owner: str, tasks: Sequence[Summary]) -> list[Waiting]:
    found: list[Waiting] = []
    for task in sorted(tasks, key=lambda each: (each.priority, each.updated_at, each.id)):
        held = await read_task(store, owner, task.id)
        asked: Task | None = held.task if held else None
        found.append(Waiting(task=task, requests=asked.open_requests if asked else {}))
    return found
