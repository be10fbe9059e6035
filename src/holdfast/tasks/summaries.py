"""What a list shows of a task: small enough to stand in an index, so that no record is read."""

from __future__ import annotations

from typing import Any, Literal, cast

from holdfast.errors import StorageTooNew
from holdfast.frozen import NamedTuple
from holdfast.tasks.codec import from_bytes, to_bytes
from holdfast.tasks.record import Task
from holdfast.tasks.state import TaskState

FORMAT = 1
_SHOWN = 200


class Summary(NamedTuple):
    """A task in one line. Times in milliseconds of the epoch; see `Task` for the fields.

    A named tuple, because a list makes many: it is built in a fifth of the time of a frozen
    dataclass.

    `error` is the message of the error; of this and of the status message only the beginning is
    here, with an ellipsis where it goes on. `progress` is done and total; `waiting_for` are the keys
    of the open requests.
    """

    id: str
    name: str
    state: TaskState
    kind: Literal["task", "run"]
    priority: int
    tags: tuple[str, ...]
    session: str
    parent: str
    created_at: int
    updated_at: int
    started_at: int | None
    ended_at: int | None
    expires_at: int | None
    blockers: int
    failed_blockers: int
    holder: str
    lease_until: int | None
    status_message: str
    error: str
    progress: tuple[float, float | None] | None
    waiting_for: tuple[str, ...]
    worked_ms: int
    steps: int
    cost_msat: int
    cost_known: bool
    origin: str

    @property
    def is_ready(self) -> bool:
        """Whether somebody may begin with it now."""
        return self.state is TaskState.PENDING and not self.blockers


def summarise(task: Task) -> Summary:
    """Return the summary of a task."""
    lease, run, progress = task.lease, task.run, task.progress
    return Summary(
        id=task.id,
        name=task.name,
        state=task.state,
        kind=task.kind,
        priority=task.priority,
        tags=task.tags,
        session=task.session,
        parent=task.parent,
        created_at=task.created_at,
        updated_at=task.updated_at,
        started_at=task.started_at,
        ended_at=task.ended_at,
        expires_at=task.expires_at,
        blockers=task.blockers,
        failed_blockers=task.failed_blockers,
        holder=lease.holder if lease else "",
        lease_until=lease.until if lease else None,
        status_message=_beginning(task.status_message),
        error=_beginning(str(task.error.get("message", ""))) if task.error else "",
        progress=(progress.done, progress.total) if progress else None,
        waiting_for=tuple(task.open_requests),
        worked_ms=task.worked_ms,
        steps=run.steps if run else 0,
        cost_msat=run.cost_msat if run else 0,
        cost_known=run.cost_known if run else True,
        origin=run.origin if run else "",
    )


def _beginning(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


_NAMES = Summary._fields
_STATE, _TAGS, _PROGRESS, _WAITING = (
    _NAMES.index(name) for name in ("state", "tags", "progress", "waiting_for")
)


def encode_summary(task: Task) -> bytes:
    """Return the summary as a JSON array: the format, then the fields in their order.

    What is empty at the end is left out.
    """
    values: list[object] = [FORMAT, *summarise(task)]
    while values[-1] == _EMPTY[len(values) - 2]:
        values.pop()
    return to_bytes(values, what=f"the summary of task {task.id}")


def decode_summary(data: bytes) -> Summary:
    """Return the summary that `encode_summary` wrote.

    Raises:
        StorageTooNew: a newer version wrote it.
    """
    values = cast("list[Any]", from_bytes(data, what="the summary of a task"))
    if values[0] != FORMAT or len(values) > len(_NAMES) + 1:
        raise StorageTooNew(
            f"the summary of a task has the format {values[0]!r}; this version knows {FORMAT}",
            hint="upgrade Holdfast",
        )
    del values[0]
    values[_STATE] = TaskState(values[_STATE])
    values[_TAGS] = tuple(values[_TAGS])
    values += _EMPTY[len(values) :]
    values[_WAITING] = tuple(values[_WAITING])
    if values[_PROGRESS] is not None:
        values[_PROGRESS] = tuple(values[_PROGRESS])
    return Summary._make(values)


_EMPTY: tuple[object, ...] = (
    *(object(),) * (_NAMES.index("started_at")),  # these are always written
    *(None, None, None, 0, 0, "", None, "", "", None, (), 0, 0, 0, True, ""),
)
