"""One readable file for each open task, and what people edit in it.

A file is a face of the task (`holdfast.storage.faces`): what somebody writes into it becomes events
of the task as any other change, by `hand edit`. What cannot be edited is refused, and the file is kept
with the reason beside it. When the task ends its file goes away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from holdfast.clock import Clock
from holdfast.errors import InputError
from holdfast.frozen import frozen
from holdfast.storage.faces import Faces, Fields, MarkdownCodec, Report
from holdfast.storage.seam import Conflict, Key, Record, Store
from holdfast.storage.threads import on_thread
from holdfast.storage.wrapping import WrappedStore
from holdfast.tasks import ending, working
from holdfast.tasks.codec import from_bytes, to_bytes
from holdfast.tasks.keys import FEED, task_key
from holdfast.tasks.loading import read_task
from holdfast.tasks.record import LOCAL_OWNER, Relation, Task
from holdfast.tasks.requests import Actor, Binding, Changes
from holdfast.tasks.state import TaskState
from holdfast.tasks.unit import Desk, Unit
from holdfast.tasks.view import iso

BY_HAND = Actor(by="hand edit", via="face")
PRIORITIES = ("urgent", "high", "normal", "low", "someday")

_BODY = "description"
_ORDER = ("name", "state", "priority", "tags", "status_message", "note", "session", "id")
_TEXTS = ("name", "description", "status_message", "session")
_EDITABLE = frozenset({*_TEXTS, "priority", "tags", "note", "state"})
_SHOWN = ".shown"
_PAGE = 500


@frozen
class _Edit:
    """What a file asks for: other fields, a note, another state."""

    changes: Changes
    note: str
    state: TaskState | None


class TaskFaces:
    """The readable files of the open tasks of one owner, in one folder.

    `write` makes the folder; from then on `catch_up` writes the files of what changed since the last
    time, as the feed of the tasks tells.
    """

    def __init__(
        self, store: Store, folder: Path, *, clock: Clock, owner: str = LOCAL_OWNER
    ) -> None:
        self._store = store
        self._folder = folder
        self._prefix: Key = ("task-open", owner)
        self._faces = Faces(
            _OpenTasks(store, owner, clock),
            self._prefix,
            folder,
            codec=MarkdownCodec(body=_BODY, first=_ORDER),
            clock=clock,
            accept=_refusal,
        )

    def path_of(self, task_id: str) -> Path:
        """Return where the face of a task is."""
        return self._faces.path_of((*self._prefix, task_id))

    async def take_in(self) -> Report:
        """Take what people edited into the tasks, and say what became of it."""
        return await self._faces.take_in()

    async def write(self) -> int:
        """Write a file for each open task, remove the others; return how many that were."""
        last, after = None, 0
        while page := await self._store.read(FEED, after=after, limit=_PAGE):
            last, after = page[-1], page[-1].number
        written = await self._faces.write()
        if last is not None:
            await self._note(last.number, last.value)
        return written.written + written.removed

    async def catch_up(self) -> int:
        """Write the files of what changed; return how many tasks that were."""
        number, mark = await on_thread(self._read_shown)
        entries = await self._store.read(FEED, after=max(number - 1, 0), limit=_PAGE)
        if number == 0 or not entries or _hash(entries[0].value) != mark:
            return await self.write()
        changed, entries = 0, entries[1:]
        while entries:
            for task_id in dict.fromkeys(filter(None, (self._mine(e.value) for e in entries))):
                await self._faces.refresh((*self._prefix, task_id))
                changed += 1
            await self._note(entries[-1].number, entries[-1].value)
            entries = await self._store.read(FEED, after=entries[-1].number, limit=_PAGE)
        return changed

    def _mine(self, entry: bytes) -> str:
        owner, task_id, *_ = from_bytes(entry, what="a change of a task")
        return task_id if owner == self._prefix[1] else ""

    async def _note(self, number: int, value: bytes) -> None:
        await on_thread(partial(self._write_shown, f"{number} {_hash(value)}\n"))

    def _read_shown(self) -> tuple[int, str]:
        with suppress(OSError, ValueError):
            number, mark = (self._folder / _SHOWN).read_text(encoding="utf-8").split()
            return int(number), mark
        return 0, ""

    def _write_shown(self, text: str) -> None:
        # Derived: without it, or with a wrong one, all files are looked at again.
        with suppress(OSError):
            (self._folder / _SHOWN).write_text(text, encoding="utf-8")


class _OpenTasks(WrappedStore):
    """The open tasks as the faces see them: records of what people may see and edit."""

    def __init__(self, inner: Store, owner: str, clock: Clock) -> None:
        super().__init__(inner)
        self._owner = owner
        self._desk = Desk(inner, clock, Binding(owner=owner, actor=BY_HAND), _no_quota)

    async def get(self, key: Key) -> Record | None:
        held = await read_task(self.inner, self._owner, key[-1])
        if held is None or held.task.has_ended:
            return None
        value = to_bytes(_fields(held.task), what=f"the face of task {key[-1]}")
        return Record(key, value, held.version)

    async def scan(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Record]:
        page = await self.inner.scan(prefix, after=after, limit=limit)
        found = [record for each in page if (record := await self.get(each.key))]
        if len(found) == len(page):
            return found
        # Some ended meanwhile, and a shorter page would be taken for the last one.
        rest = await self.scan(prefix, after=page[-1].key, limit=limit)
        return [*found, *rest][:limit]

    async def put(
        self,
        key: Key,
        value: bytes,
        *,
        expected: int,
        expires_at: int | None = None,  # noqa: ARG002 - a face does not say when its task expires
        due_at: int | None = None,  # noqa: ARG002
    ) -> int | Conflict:
        wanted: Fields = from_bytes(value, what="a face")

        async def decide(unit: Unit) -> int | None:
            """Add the events; return the version that is there if it is not the expected one."""
            task = await unit.load(key[-1])
            record = await unit.store.get(task_key(self._owner, key[-1]))
            if record is None or record.version != expected:
                return record.version if record else 0
            await _apply(unit, task, _edit(_fields(task), wanted))
            return None

        met = await self._desk.change(decide)
        if met is not None:
            return Conflict(met)
        record = await self.inner.get(task_key(self._owner, key[-1]))
        return record.version if record else expected


async def _no_quota(unit: Unit) -> None:
    """Let an edit pass: it makes no task."""


async def _apply(unit: Unit, task: Task, edit: _Edit) -> None:
    await working.update(unit, task.id, edit.changes, fence=None)
    if edit.note:
        await working.note(unit, task.id, edit.note)
    match edit.state:
        case None:
            pass
        case TaskState.WORKING:
            await working.start(unit, task.id, "", fence=None)
        case TaskState.COMPLETED:
            await ending.complete(unit, task.id, None, fence=None, begin=True)
        case TaskState.CANCELLED:
            await ending.cancel(unit, task.id, reason="", request_only=False)
        case other:
            raise InputError(
                f"a file cannot make a task {other}", hint="write working, completed or cancelled"
            )


def _fields(task: Task) -> dict[str, object]:
    """Return what the face of a task shows."""
    blocked = [each.on for each in task.dependencies if each.kind is Relation.BLOCKS]
    more: dict[str, object] = {
        "parent": task.parent,
        "blocked_by": blocked,
        "held_by": task.lease.holder if task.lease else "",
        "asks": {key: ask.prompt for key, ask in task.open_requests.items()},
        "variables": {
            name: each.value for name, each in task.variables.items() if not each.deleted
        },
        "metadata": dict(task.metadata),
    }
    return {
        "id": task.id,
        "name": task.name,
        "state": task.state.value,
        "priority": PRIORITIES[task.priority],
        "tags": list(task.tags),
        "status_message": task.status_message,
        "note": "",
        "session": task.session,
        "created_at": iso(task.created_at),
        "description": task.description,
        **{name: value for name, value in more.items() if value},
    }


def _refusal(key: Key, before: Fields, after: Fields) -> str | None:  # noqa: ARG001 - its form
    """Return why an edit cannot be taken, None if it can."""
    for name in sorted(before.keys() | after.keys()):
        if name not in _EDITABLE and before.get(name) != after.get(name):
            return f"the field {name!r} cannot be edited"
    try:
        _edit(before, after)
    except InputError as error:
        return f"{error.message} ({error.hint})"
    return None


def _edit(before: Fields, after: Fields) -> _Edit:
    """Return what an edit asks for.

    Raises:
        InputError: a field has no value that it may have.
    """
    given = {name: value for name, value in after.items() if before.get(name) != value}
    given |= dict.fromkeys((before.keys() - after.keys()) & _EDITABLE, "")
    texts: Mapping[str, Any] = {name: _text(name, given[name]) for name in _TEXTS if name in given}
    return _Edit(
        changes=Changes(
            **texts,
            priority=_priority(given["priority"]) if "priority" in given else None,
            tags=_tags(given["tags"]) if "tags" in given else None,
        ),
        note=_text("note", given.get("note", "")).strip(),
        state=_state(given["state"]) if "state" in given else None,
    )


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"the field {name!r} must be a text", hint="put it in double quotes")
    return value


def _priority(value: object) -> int:
    if value in PRIORITIES:
        return PRIORITIES.index(value)  # pyright: ignore[reportArgumentType]
    raise InputError(f"{value!r} is no priority", hint=f"one of {', '.join(PRIORITIES)}")


def _tags(value: object) -> list[str]:
    if value == "":
        return []
    if not isinstance(value, list):
        raise InputError("the tags must be a list of texts", hint='for instance ["docs", "urgent"]')
    return [_text("tags", each) for each in cast("list[object]", value)]


def _state(value: object) -> TaskState:
    try:
        return TaskState(str(value))
    except ValueError:
        raise InputError(
            f"{value!r} is no state of a task", hint="write working, completed or cancelled"
        ) from None


def _hash(value: bytes) -> str:
    return sha256(value).hexdigest()[:32]
