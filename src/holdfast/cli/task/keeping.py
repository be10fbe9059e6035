"""`holdfast task repair`, `watch` and `resume`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.output import Output, count
from holdfast.cli.task.desk import follow, look
from holdfast.cli.task.parts import add_id
from holdfast.cli.task.printing import print_changed
from holdfast.errors import StorageError

if TYPE_CHECKING:
    from holdfast.tasks.repairing import Repaired
    from holdfast.tasks.service import Tasks


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    match verb:
        case "watch":
            add_id(parser)
        case "resume":
            from holdfast.cli.taking_up import configure_resume  # noqa: PLC0415 - only here

            configure_resume(parser)
        case _:
            parser.add_argument(
                "--dry-run", action="store_true", help="only say what would be done"
            )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Do what was asked for."""
    match arguments.verb:
        case "watch":
            return _watch(arguments, output)
        case "resume":
            from holdfast.cli.taking_up import run_resume  # noqa: PLC0415 - only here

            return run_resume(arguments, output)
        case _:
            return _repair(arguments, output)


def _watch(arguments: argparse.Namespace, output: Output) -> int:
    """Print the task whenever it changes; as JSON one document a change."""

    async def watch(tasks: Tasks) -> None:
        async for task in tasks.watch(await tasks.find(arguments.id)):
            print_changed(task, output)
            output.flush()

    follow(arguments, output, watch)
    return 0


def _repair(arguments: argparse.Namespace, output: Output) -> int:
    async def repair(tasks: Tasks) -> Repaired:
        return await tasks.repair(dry_run=arguments.dry_run)

    report = look(arguments, output, repair)
    output.data(_as_data(report))
    verb = "would be mended" if arguments.dry_run else "mended"
    for what, found in (
        ("record", report.rewritten),
        ("stray record of an index", report.strays),
        ("waiting task", report.released),
        ("count of an owner", report.quotas),
        ("left-over log", report.erased),
    ):
        if found:
            output.line(f"{count(len(found), what)} {verb}")
    for task_id, why in report.damaged.items():
        output.line(f"damaged: {task_id}: {why}")
    for task_id, numbers in report.altered.items():
        output.line(f"altered: {task_id}: the entries {', '.join(map(str, numbers))}")
    for path in report.circles:
        output.line(f"circle: {' -> '.join(path)}; break it with `holdfast task undepend`")
    if report.is_clean:
        output.line(f"{count(report.tasks, 'task')}: nothing to mend")
    return StorageError.exit_code if report.damaged or report.altered else 0


def _as_data(report: Repaired) -> dict[str, object]:
    from dataclasses import asdict  # noqa: PLC0415 - only here

    return {**asdict(report), "clean": report.is_clean}
