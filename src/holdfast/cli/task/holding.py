"""`holdfast task claim`, `renew` and `release`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.output import Output, moment
from holdfast.cli.task.desk import work
from holdfast.cli.task.parts import add_id, add_lease
from holdfast.cli.task.printing import described, print_changed, short
from holdfast.cli.times import read_span
from holdfast.errors import UsageError

if TYPE_CHECKING:
    from holdfast.tasks.record import Task
    from holdfast.tasks.service import Tasks

NOTHING = 1
"""The exit code where there is nothing to claim, so that a loop of a shell ends."""


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    if verb == "claim":
        parser.add_argument("id", metavar="ID", nargs="?", help="the task (or --next)")
        parser.add_argument(
            "--next", action="store_true",
            help="what was left longest, else the most urgent that is ready; 1 if there is none",
        )  # fmt: skip
        parser.add_argument("--holder", default="", help="who holds it (default: who does this)")
        add_lease(parser)
        return
    add_id(parser)
    parser.add_argument("--fence", type=int, metavar="N", required=True, help="from the claim")
    if verb == "renew":
        add_lease(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Take, keep or let go of the task."""
    if arguments.verb == "claim":
        return _claim(arguments, output)

    async def change(tasks: Tasks) -> Task:
        task_id = await tasks.find(arguments.id)
        if arguments.verb == "release":
            return await tasks.release(task_id, arguments.fence)
        return await tasks.renew(task_id, arguments.fence, lease_ms=read_span(arguments.lease))

    return print_changed(work(arguments, output, change, make=False), output)


def _claim(arguments: argparse.Namespace, output: Output) -> int:
    if arguments.next == bool(arguments.id):
        raise UsageError(
            "claim needs an id or --next, and not both",
            hint="`holdfast task ready` shows what can be claimed",
        )
    lease_ms = read_span(arguments.lease)

    async def claim(tasks: Tasks) -> Task | None:
        if arguments.next:
            return await tasks.claim_next(lease_ms=lease_ms, holder=arguments.holder)
        task_id = await tasks.find(arguments.id)
        return await tasks.claim(task_id, lease_ms=lease_ms, holder=arguments.holder)

    task = work(arguments, output, claim, make=False)
    if task is None:
        output.data(None)
        output.line("nothing is ready")
        return NOTHING
    return _print(task, output)


def _print(task: Task, output: Output) -> int:
    """Print what to do, and how the others come to know that it was done by its holder."""
    if output.as_json:
        output.data(described(task))
        return 0
    print_changed(task, output)
    output.line(f"fence {task.fence}")
    if task.description:
        output.line()
        output.line(task.description)
    if task.lease is not None and task.lease.until is not None:
        output.note(f"it is yours until {moment(task.lease.until)}; keep it longer with:")
    fence = ("--fence", str(task.fence))
    output.note(f"  {output.command('task', 'renew', short(task.id), *fence)}")
    output.note("and when it is done:")
    output.note(f"  {output.command('task', 'complete', short(task.id), *fence)}")
    return 0
