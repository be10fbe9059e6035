"""Find tasks by their words: names, descriptions, what happened to them, results and errors.

The index (`holdfast.storage.texts`) is local and may be deleted at any time. It follows the feed of
changes from where it was, so the history of tasks that have ended is searched without being loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from holdfast.clock import Clock
from holdfast.frozen import NamedTuple
from holdfast.storage.seam import Entry, Store
from holdfast.storage.texts import Document, Hit, Question, Removed, Texts
from holdfast.tasks.codec import from_bytes
from holdfast.tasks.keys import FEED, task_key, task_log
from holdfast.tasks.loading import read_task
from holdfast.tasks.requests import Filter
from holdfast.tasks.state import TaskState
from holdfast.tasks.summaries import Summary, decode_summary, encode_summary

if TYPE_CHECKING:
    from holdfast.tasks.record import Task

_TELLING = {
    "created": ("name", "description"),
    "updated": ("changes",),
    "started": ("message",),
    "progressed": ("message",),
    "noted": ("text",),
    "input_requested": ("prompt",),
    "input_answered": ("answer",),
    "completed": ("result",),
    "failed": ("error",),
    "cancelled": ("reason",),
}
"""The members of events, by kind, whose words are searched."""

_SEARCHED = frozenset({"name", "description", "status_message", "tags"})
"""What an update changes that has words."""

_MOST = 10_000


class Found(NamedTuple):
    """A task that was found, and the place of the match with the words in brackets."""

    task: Summary
    snippet: str
    score: float


class TaskSearch:
    """Search the tasks of a store, those of one owner at a time.

        async with TaskSearch(store, clock=clock, path=folder / "tasks.db") as search:
            found = await search.find("local", "flaky upload")

    Without a path the index is kept in memory.
    """

    def __init__(self, store: Store, *, clock: Clock, path: Path | None = None) -> None:
        self._store = store
        self._clock = clock
        self._texts = Texts(store, FEED, load=self._load, path=path)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._texts.__aexit__(kind, error, trace)

    async def find(
        self, owner: str, text: str, wanted: Filter | None = None, *, limit: int = 20
    ) -> Sequence[Found]:
        """Return the tasks of an owner that have any of the words, the best first.

        Raises:
            StorageError: the store or the index failed.
        """
        wanted = wanted or Filter()
        asked = limit
        while True:
            hits = await self._texts.search(self._question(owner, text, wanted, asked))
            found = [each for each in map(_found, hits) if _fits(each.task, wanted)]
            # What the index cannot choose by is sorted out here, and more is asked for instead.
            if len(found) >= limit or len(hits) < asked or asked >= _MOST:
                return found[:limit]
            asked = min(asked * 8, _MOST)

    async def rebuild(self) -> int:
        """Make the index anew; return how many changes it was made from."""
        return await self._texts.rebuild()

    def _question(self, owner: str, text: str, wanted: Filter, limit: int) -> Question:
        return Question(
            text=text,
            scopes=[owner],
            kinds=None if wanted.kind is None else [wanted.kind],
            states=sorted(wanted.states) or None,
            since=wanted.created_from,
            before=wanted.created_before,
            now=self._clock.now_ms(),
            limit=limit,
            context=0,
        )

    async def _load(self, entries: Sequence[Entry]) -> Sequence[Document | Removed]:
        """Return what the tasks that an excerpt of the feed names are now."""
        changed = dict.fromkeys(_named(entry.value) for entry in entries)
        return [await self._document(owner, task_id) for owner, task_id in changed]

    async def _document(self, owner: str, task_id: str) -> Document | Removed:
        held = await read_task(self._store, owner, task_id)
        if held is None:
            return Removed(task_key(owner, task_id))
        task = held.task
        entries = await self._store.read(task_log(task_id))
        return _describe(task, [entry.value for entry in entries])


def _named(entry: bytes) -> tuple[str, str]:
    owner, task_id, *_ = from_bytes(entry, what="a change of a task")
    return owner, task_id


def _describe(task: Task, entries: Sequence[bytes]) -> Document:
    said = dict.fromkeys(line for data in entries for line in _words(data))
    said.pop(task.name, None)
    texts = (task.description, " ".join(task.tags), *said)
    return Document(
        key=task_key(task.owner, task.id),
        title=task.name,
        text="\n".join(filter(None, dict.fromkeys(texts))),
        scope=task.owner,
        kind=task.kind,
        state=str(task.state),
        at=task.created_at,
        until=task.expires_at,
        data=encode_summary(task).decode("utf-8", "replace"),
    )


def _words(data: bytes) -> Iterator[str]:
    """Give the texts of an event, also of one that only a layer above could decode."""
    event: Mapping[str, Any] = from_bytes(data, what="an event of a task")
    for name in _TELLING.get(str(event.get("event")), ()):
        value: object = event.get(name)
        if name == "changes":
            changes = cast("Mapping[str, object]", value)
            value = {each: new for each, new in changes.items() if each in _SEARCHED}
        yield from _texts_of(value)


def _texts_of(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in cast("Mapping[str, object]", value).items():
            yield name
            yield from _texts_of(each)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from _texts_of(each)
    elif value is not None and not isinstance(value, bool):
        yield json.dumps(value)


def _found(hit: Hit) -> Found:
    return Found(decode_summary(hit.data.encode()), hit.snippet, hit.score)


def _fits(task: Summary, wanted: Filter) -> bool:
    return (
        (wanted.session is None or task.session == wanted.session)
        and wanted.tags.issubset(task.tags)
        and (wanted.parent is None or task.parent == wanted.parent)
        and (wanted.priority is None or task.priority == wanted.priority)
        and (wanted.updated_from is None or task.updated_at >= wanted.updated_from)
        and (wanted.updated_before is None or task.updated_at < wanted.updated_before)
        and _stands(task, wanted)
    )


def _stands(task: Summary, wanted: Filter) -> bool:
    waits = task.state is TaskState.PENDING and task.blockers > 0
    match wanted.standing:
        case None:
            return True
        case "ready":
            return task.is_ready
        case "blocked":
            return waits
        case "blocked_by_failed":
            return waits and task.failed_blockers > 0


def index_of(folder: Path) -> Path:
    """Return where the index of the tasks of a store is, in the folder beside it."""
    return folder / "search" / "tasks.db"
