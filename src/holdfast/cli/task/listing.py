"""`holdfast task list` and `ready`."""

from __future__ import annotations

import argparse

from holdfast.cli.output import Output
from holdfast.cli.task.desk import look
from holdfast.cli.task.parts import add_filters, add_limit, read_priority, read_states, read_time
from holdfast.cli.task.printing import described_all, print_tasks
from holdfast.clock import SystemClock
from holdfast.errors import UsageError
from holdfast.tasks.requests import Filter
from holdfast.tasks.state import TaskState


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    add_limit(parser, 50)
    if verb == "ready":
        return
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument("--cursor", default="", help="go on where the last page ended")
    add_filters(parser)
    parser.add_argument("--kind", choices=("task", "run"), help="only tasks, or only runs")
    parser.add_argument("--parent", metavar="ID", help="the parts of this task")
    parser.add_argument("--priority", metavar="P", help="of this priority")
    parser.add_argument("--text", default="", help="with this in the name or the description")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the tasks."""
    if arguments.limit < 1:
        raise UsageError(f"--limit must be at least 1, not {arguments.limit}")
    return _ready(arguments, output) if arguments.verb == "ready" else _list(arguments, output)


def _ready(arguments: argparse.Namespace, output: Output) -> int:
    tasks = look(arguments, output, lambda tasks: tasks.ready(arguments.limit))
    if output.as_json:
        output.data({"tasks": described_all(tasks)})
    elif tasks:
        print_tasks(tasks, output)
    else:
        output.line("nothing is ready")
    return 0


def _list(arguments: argparse.Namespace, output: Output) -> int:
    from holdfast.tasks.listing import Page  # noqa: PLC0415 - only for the type
    from holdfast.tasks.service import Tasks  # noqa: PLC0415 - as above

    limit = 10**9 if arguments.all else arguments.limit

    async def find(tasks: Tasks) -> Page:
        parent = await tasks.find(arguments.parent) if arguments.parent else None
        return await tasks.list(_filter(arguments, parent), limit=limit, cursor=arguments.cursor)

    page = look(arguments, output, find)
    if output.as_json:
        output.data({"tasks": described_all(page.tasks), "cursor": page.cursor})
        return 0
    if not page.tasks:
        output.line(f"no such task; make one with: {output.command('task', 'create', 'NAME')}")
        return 0
    print_tasks(page.tasks, output)
    if page.cursor:
        output.note(f"there are more: --limit N, --all, or --cursor {page.cursor}")
    return 0


def _filter(arguments: argparse.Namespace, parent: str | None) -> Filter:
    now = SystemClock().now_ms()
    return Filter(
        states=frozenset(map(TaskState, read_states(arguments))),
        session=arguments.session,
        tags=frozenset(arguments.tag),
        kind=arguments.kind,
        parent=parent,
        priority=None if arguments.priority is None else read_priority(arguments.priority),
        created_from=read_time(arguments.since, now),
        created_before=read_time(arguments.before, now),
        text=arguments.text,
        standing=arguments.standing,
    )
