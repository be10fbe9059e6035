"""`holdfast task depend` and `undepend`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.output import Output
from holdfast.cli.task.desk import work
from holdfast.cli.task.parts import add_id
from holdfast.cli.task.printing import print_changed

if TYPE_CHECKING:
    from holdfast.tasks.record import Task
    from holdfast.tasks.service import Tasks

_RELATIONS = ("blocks", "parent", "relates", "discovered_from")


def configure(verb: str, parser: argparse.ArgumentParser) -> None:  # noqa: ARG001 - both alike
    """Add the arguments of a verb."""
    add_id(parser)
    parser.add_argument("on", metavar="ON", help="the other task: what must end first")
    parser.add_argument(
        "--as", dest="relation", choices=_RELATIONS, default="blocks",
        help="what it has to do with the other one (default: that one blocks it)",
    )  # fmt: skip


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Change what the task depends on."""
    from holdfast.tasks.record import Relation  # noqa: PLC0415 - only here

    relation = Relation(arguments.relation)

    async def change(tasks: Tasks) -> Task:
        task_id, on = await tasks.find(arguments.id), await tasks.find(arguments.on)
        verb = tasks.depend if arguments.verb == "depend" else tasks.undepend
        return await verb(task_id, on, relation)

    return print_changed(work(arguments, output, change, make=False), output)
