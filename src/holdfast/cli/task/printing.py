"""Print tasks: a line each, or all of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from holdfast.cli.output import Output
from holdfast.cli.tables import print_table
from holdfast.cli.task.parts import PRIORITIES
from holdfast.clock import SystemClock

if TYPE_CHECKING:
    from holdfast.tasks.record import Task
    from holdfast.tasks.summaries import Summary

SHORT = 8
_NAME = 60
_AGES = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"))


def short(task_id: str) -> str:
    """Return the beginning of an id that people type."""
    return task_id[:SHORT]


def age(milliseconds: int) -> str:
    """Return how long ago something was, in one unit."""
    for unit, name in _AGES:
        if milliseconds >= unit:
            return f"{milliseconds // unit}{name}"
    return "now"


def status(task: Summary | Task, now_ms: int) -> str:
    """Return the state in a word or two, with what people need to know besides."""
    from holdfast.tasks.summaries import Summary, summarise  # noqa: PLC0415 - see `-X importtime`

    line = task if isinstance(task, Summary) else summarise(task)
    state = str(line.state)
    if line.failed_blockers:
        return f"{state}, blocked by a failure"
    if line.blockers and state == "pending":
        return f"{state}, blocked by {line.blockers}"
    if state == "working" and line.holder:
        held = line.lease_until is None or now_ms < line.lease_until
        return f"{state} ({line.holder if held else 'left'})"
    return state


def print_tasks(tasks: Sequence[Summary], output: Output) -> None:
    """Print tasks as a table."""
    now = SystemClock().now_ms()
    rows: list[tuple[str, ...]] = [("ID", "PRIORITY", "STATE", "AGE", "NAME", "TAGS")]
    rows += [
        (
            short(each.id),
            PRIORITIES[each.priority],
            status(each, now),
            age(now - each.created_at),
            _cut(each.name if each.kind == "task" else f"{each.name} [run]"),
            " ".join(f"+{tag}" for tag in each.tags),
        )
        for each in tasks
    ]
    print_table(rows, output, elastic=4, spare=("TAGS", "AGE", "PRIORITY"))


def print_changed(task: Task, output: Output, *, said: str = "") -> int:
    """Print how a task stands after a change."""
    if output.as_json:
        output.data(described(task))
        return 0
    now = SystemClock().now_ms()
    output.line(f"{short(task.id)}  {status(task, now)}  {_cut(task.name)}")
    if said:
        output.note(said)
    return 0


def described(task: Task | Summary) -> dict[str, object]:
    """Return a task as JSON."""
    from holdfast.tasks.view import describe  # noqa: PLC0415 - only with `--json`

    return describe(task)


def described_all(tasks: Iterable[Summary]) -> list[dict[str, object]]:
    """Return tasks as JSON."""
    return [described(each) for each in tasks]


def _cut(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= _NAME else f"{line[: _NAME - 1]}…"
