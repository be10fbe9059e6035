"""`holdfast task search`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.app.places import search_folder
from holdfast.cli.options import add_limit, check_limit
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.cli.task.desk import look_into, named_session, tasks_of
from holdfast.cli.task.parts import add_filters, read_states
from holdfast.cli.task.printing import described, short, status
from holdfast.cli.times import read_time
from holdfast.clock import SystemClock
from holdfast.tasks.requests import Filter
from holdfast.tasks.search import TaskSearch, index_of
from holdfast.tasks.state import TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.storage.seam import Store
    from holdfast.tasks.search import Found


def configure(verb: str, parser: argparse.ArgumentParser) -> None:  # noqa: ARG001 - the only one
    """Add the arguments of the verb."""
    parser.add_argument("text", metavar="WORD", nargs="+", help="any of these, in any form")
    add_limit(parser, 20)
    add_filters(parser)
    parser.add_argument("--kind", choices=("task", "run"), help="only tasks, or only runs")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print what was found, the best first."""
    check_limit(arguments)
    folder = search_folder(settings_of(arguments, output))

    async def find(store: Store) -> Sequence[Found]:
        path = index_of(folder) if folder else None
        session = await named_session(tasks_of(store, arguments), arguments)
        wanted = _filter(arguments, session)
        async with TaskSearch(store, clock=SystemClock(), path=path) as search:
            return await search.find(
                arguments.owner, " ".join(arguments.text), wanted, limit=arguments.limit
            )

    found = look_into(arguments, output, find)
    if output.as_json:
        hits = [{**described(each.task), "snippet": each.snippet} for each in found]
        output.data({"tasks": hits})
        return 0
    now = SystemClock().now_ms()
    for task, snippet, _ in found:
        output.line(f"{short(task.id)}  {task.name}  ({status(task, now)})")
        line = " ".join(snippet.split())
        if line and line != task.name:
            output.line(f"          {line}")
    if not found:
        output.line("nothing was found")
    return 0


def _filter(arguments: argparse.Namespace, session: str | None) -> Filter:
    now = SystemClock().now_ms()
    return Filter(
        states=frozenset(map(TaskState, read_states(arguments))),
        session=session,
        tags=frozenset(arguments.tag),
        kind=arguments.kind,
        created_from=read_time(arguments.since, now),
        created_before=read_time(arguments.before, now),
        standing=arguments.standing,
    )
