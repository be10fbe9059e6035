"""List tasks from the indexes, whose values hold what a list shows."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence

from holdfast.errors import UsageError
from holdfast.frozen import field, frozen
from holdfast.storage.paging import every_record
from holdfast.storage.seam import Key, Store
from holdfast.tasks.codec import from_bytes, to_bytes
from holdfast.tasks.keys import newest_first
from holdfast.tasks.requests import Filter
from holdfast.tasks.state import TaskState, is_terminal
from holdfast.tasks.summaries import Summary, decode_summary

_PAGE = 500
_LAST_ID = "~"  # above all digits


@frozen
class Page:
    """Some tasks, newest first. `cursor` is where to go on, empty at the end."""

    tasks: Sequence[Summary]
    cursor: str = ""


@frozen
class Stats:
    """What there is of tasks in numbers. `median_ms` is the time from creation to a result."""

    total: int = 0
    by_state: Mapping[TaskState, int] = field(default_factory=dict[TaskState, int])
    by_priority: Mapping[int, int] = field(default_factory=dict[int, int])
    by_tag: Mapping[str, int] = field(default_factory=dict[str, int])
    runs: int = 0
    ready: int = 0
    blocked: int = 0
    blocked_by_failed: int = 0
    oldest_open_at: int | None = None
    median_ms: int | None = None
    worked_ms: int = 0
    cost_msat: int = 0
    cost_known: bool = True


async def list_tasks(store: Store, owner: str, wanted: Filter, *, limit: int, cursor: str) -> Page:
    """Return the newest tasks that fit, behind `cursor`.

    A cursor is a place in the order of creation, which never changes: whatever is created, changed
    or deleted between two pages, a task that fits all the while comes exactly once.
    """
    if limit < 1:
        raise UsageError(f"a limit of {limit} shows nothing", hint="give a number above 0")
    found: list[Summary] = []
    async for summary in _walk(store, owner, wanted, cursor, limit):
        if _fits(summary, wanted) and await _has_text(store, owner, summary, wanted.text):
            if len(found) == limit:
                return Page(tasks=found, cursor=_encode_cursor(found[-1]))
            found.append(summary)
    return Page(tasks=found)


async def list_ready(store: Store, owner: str, *, limit: int) -> Sequence[Summary]:
    """Return what can be begun: the most urgent first, and of these the oldest."""
    page = await store.scan(("task-ready", owner), limit=limit)
    return [decode_summary(record.value) for record in page]


async def list_children(store: Store, owner: str, parent: str) -> Sequence[str]:
    """Return the ids of the tasks that are a part of another."""
    prefix = ("task-child", owner, parent)
    return [record.key[3] async for record in every_record(store, prefix)]


async def count(store: Store, owner: str) -> Stats:
    """Return what there is of tasks in numbers."""
    states: Counter[TaskState] = Counter()
    priorities: Counter[int] = Counter()
    tags: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    took: list[int] = []
    oldest: int | None = None
    async for task in _walk(store, owner, Filter(), "", _PAGE):
        states[task.state] += 1
        numbers["runs"] += task.kind == "run"
        numbers["worked_ms"] += task.worked_ms
        numbers["cost_msat"] += task.cost_msat
        numbers["unknown"] += not task.cost_known
        if task.state is TaskState.COMPLETED and task.ended_at is not None:
            took.append(task.ended_at - task.created_at)
        if not is_terminal(task.state):
            priorities[task.priority] += 1
            tags.update(task.tags)
            oldest = task.created_at  # they come newest first
            _count_standing(numbers, task)
    return Stats(
        total=states.total(),
        by_state=dict(sorted(states.items())),
        by_priority=dict(sorted(priorities.items())),
        by_tag=dict(tags.most_common()),
        runs=numbers["runs"],
        ready=numbers["ready"],
        blocked=numbers["blocked"],
        blocked_by_failed=numbers["blocked_by_failed"],
        oldest_open_at=oldest,
        median_ms=sorted(took)[len(took) // 2] if took else None,
        worked_ms=numbers["worked_ms"],
        cost_msat=numbers["cost_msat"],
        cost_known=not numbers["unknown"],
    )


def _count_standing(numbers: Counter[str], task: Summary) -> None:
    numbers["ready"] += task.is_ready and task.kind == "task"
    numbers["blocked"] += task.state is TaskState.PENDING and task.blockers > 0
    numbers["blocked_by_failed"] += task.state is TaskState.PENDING and task.failed_blockers > 0


async def _walk(
    store: Store, owner: str, wanted: Filter, cursor: str, limit: int
) -> AsyncIterator[Summary]:
    """Return the tasks behind a cursor and within the window of creation, newest first."""
    prefix: Key = ("task-by-time", owner)
    if wanted.session:
        prefix = ("task-session", owner, wanted.session)
    after: Key | None = None
    if wanted.created_before is not None:
        after = (*prefix, newest_first(wanted.created_before), _LAST_ID)
    if cursor:
        place = (*prefix, *_decode_cursor(cursor))
        after = place if after is None else max(after, place)
    size = min(_PAGE, limit + 1)
    while True:
        page = await store.scan(prefix, after=after, limit=size)
        for record in page:
            summary = decode_summary(record.value)
            if wanted.created_from is not None and summary.created_at < wanted.created_from:
                return
            yield summary
        if len(page) < size:
            return
        after, size = page[-1].key, _PAGE


def _fits(task: Summary, wanted: Filter) -> bool:
    return (
        (not wanted.states or task.state in wanted.states)
        and (wanted.session is None or task.session == wanted.session)
        and wanted.tags.issubset(task.tags)
        and (wanted.kind is None or task.kind == wanted.kind)
        and (wanted.parent is None or task.parent == wanted.parent)
        and (wanted.priority is None or task.priority == wanted.priority)
        and (wanted.updated_from is None or task.updated_at >= wanted.updated_from)
        and (wanted.updated_before is None or task.updated_at < wanted.updated_before)
        and _stands(task, wanted)
    )


def _stands(task: Summary, wanted: Filter) -> bool:
    match wanted.standing:
        case None:
            return True
        case "ready":
            return task.is_ready
        case "blocked":
            return task.state is TaskState.PENDING and task.blockers > 0
        case "blocked_by_failed":
            return task.state is TaskState.PENDING and task.failed_blockers > 0


async def _has_text(store: Store, owner: str, task: Summary, text: str) -> bool:
    wanted = text.casefold()
    if wanted in task.name.casefold():
        return True
    from holdfast.tasks.loading import read_task  # noqa: PLC0415 - only to look into a description

    held = await read_task(store, owner, task.id)
    return held is not None and wanted in held.task.description.casefold()


def _encode_cursor(last: Summary) -> str:
    place = to_bytes((last.created_at, last.id), what="a cursor")
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def _decode_cursor(cursor: str) -> Key:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        data = base64.b64decode(padded.encode(), altchars=b"-_", validate=True)
        created_at, task_id = from_bytes(data, what="a cursor")
        return (newest_first(int(created_at)), str(task_id))
    except Exception as error:
        raise UsageError(
            f"{cursor[:40]!r} is no cursor", hint="use the one that the page before gave"
        ) from error
