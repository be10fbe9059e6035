"""`holdfast task complete`, `fail` and `cancel`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.output import Output, count
from holdfast.cli.task.desk import work
from holdfast.cli.task.parts import add_fence, add_id, read_json, read_text
from holdfast.cli.task.printing import print_changed

if TYPE_CHECKING:
    from holdfast.tasks.record import Task
    from holdfast.tasks.service import Tasks


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    add_id(parser)
    match verb:
        case "complete":
            parser.add_argument("--result", help="JSON or text; @FILE reads it from there")
            add_fence(parser)
        case "fail":
            parser.add_argument(
                "error", metavar="ERROR", help="what went wrong; @FILE, - for stdin"
            )
            add_fence(parser)
        case _:
            parser.add_argument("--reason", default="", help="why")
            parser.add_argument(
                "--ask", action="store_true", help="ask whoever works on it to stop, and no more"
            )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """End the task."""

    async def end(tasks: Tasks) -> tuple[Task, int]:
        task = await _end(tasks, await tasks.find(arguments.id), arguments)
        waiting = await tasks.dependents(task.id) if task.has_ended else ()
        return task, sum(relation == "blocks" for relation, _ in waiting)

    task, waiting = work(arguments, output, end, make=False)
    said = ""
    if waiting:
        fate = "stays blocked" if arguments.verb == "fail" else "is released"
        said = f"what waited for it {fate}: {count(waiting, 'task')}"
    return print_changed(task, output, said=said)


async def _end(tasks: Tasks, task_id: str, arguments: argparse.Namespace) -> Task:
    match arguments.verb:
        case "complete":
            result = None if arguments.result is None else read_json(arguments.result)
            return await tasks.complete(task_id, result, fence=arguments.fence, begin=True)
        case "fail":
            return await tasks.fail(task_id, read_text(arguments.error), fence=arguments.fence)
        case _:
            return await tasks.cancel(task_id, reason=arguments.reason, request_only=arguments.ask)
