"""`holdfast task list` and `ready`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.options import add_limit, check_limit
from holdfast.cli.output import Output
from holdfast.cli.task.desk import look, named_session, session_of
from holdfast.cli.task.parts import add_filters, read_priority, read_states
from holdfast.cli.task.printing import described_all, print_tasks
from holdfast.cli.times import read_time
from holdfast.clock import SystemClock
from holdfast.tasks.requests import Filter
from holdfast.tasks.state import TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.tasks.listing import Page
    from holdfast.tasks.service import Tasks
    from holdfast.tasks.summaries import Summary


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    add_limit(parser, 50)
    if verb == "ready":
        parser.add_argument("--session", metavar="NAME", help="of this session")
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
    check_limit(arguments)
    return _ready(arguments, output) if arguments.verb == "ready" else _list(arguments, output)


def _ready(arguments: argparse.Namespace, output: Output) -> int:
    tasks = look(arguments, output, lambda tasks: _find_ready(tasks, arguments))
    if output.as_json:
        output.data({"tasks": described_all(tasks)})
    elif tasks:
        print_tasks(tasks, output)
    else:
        output.line("nothing is ready")
    return 0


async def _find_ready(tasks: Tasks, arguments: argparse.Namespace) -> Sequence[Summary]:
    if not arguments.session:
        return await tasks.ready(arguments.limit)
    session = await session_of(tasks, arguments.session)
    page = await tasks.list(Filter(session=session, kind="task", standing="ready"), limit=10**9)
    first = sorted(page.tasks, key=lambda each: (each.priority, each.created_at, each.id))
    return first[: arguments.limit]


def _list(arguments: argparse.Namespace, output: Output) -> int:
    limit = 10**9 if arguments.all else arguments.limit

    async def find(tasks: Tasks) -> Page:
        parent = await tasks.find(arguments.parent) if arguments.parent else None
        wanted = _filter(arguments, parent, await named_session(tasks, arguments))
        return await tasks.list(wanted, limit=limit, cursor=arguments.cursor)

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


def _filter(arguments: argparse.Namespace, parent: str | None, session: str | None) -> Filter:
    now = SystemClock().now_ms()
    return Filter(
        states=frozenset(map(TaskState, read_states(arguments))),
        session=session,
        tags=frozenset(arguments.tag),
        kind=arguments.kind,
        parent=parent,
        priority=None if arguments.priority is None else read_priority(arguments.priority),
        created_from=read_time(arguments.since, now),
        created_before=read_time(arguments.before, now),
        text=arguments.text,
        standing=arguments.standing,
    )
