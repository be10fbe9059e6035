"""`holdfast task faces`: the readable files of the open tasks."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.app.places import faces_folder
from holdfast.app.stores import open_only_store, run_on
from holdfast.cli.output import Output, count
from holdfast.cli.settings import settings_of
from holdfast.clock import SystemClock
from holdfast.errors import FaceError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.settings import Settings
    from holdfast.storage.faces import Report
    from holdfast.storage.seam import Store
    from holdfast.tasks.faces import TaskFaces


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add nothing: the verb has no arguments of its own."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Take in what was edited, write every file, and say where they are."""
    settings = settings_of(arguments, output)
    folder = folder_of(settings)
    if folder is None:
        raise UsageError("a store in memory has no files", hint="name another one with --store")

    async def write(store: Store) -> tuple[Report, int]:
        faces = faces_of(store, folder, arguments)
        report = await faces.take_in()
        return report, await faces.write()

    report, written = run_on(open_only_store(settings, make=True, at_once=True), write)
    output.data({"folder": str(folder), "written": written, "findings": _as_data(report)})
    tell(report, output)
    output.line(f"{folder}: {count(written, 'file')} written")
    return FaceError.exit_code if any(each.kept for each in report.findings) else 0


def folder_of(settings: Settings) -> Path | None:
    """Return the folder of the files; None for a store in memory."""
    folder = faces_folder(settings)
    return folder / "tasks" if folder else None


def faces_of(store: Store, folder: Path, arguments: argparse.Namespace) -> TaskFaces:
    """Return the files of the owner that was named."""
    from holdfast.tasks.faces import TaskFaces  # noqa: PLC0415 - most projects have no files
    from holdfast.tasks.record import LOCAL_OWNER  # noqa: PLC0415 - as above

    if (
        arguments.owner != LOCAL_OWNER
    ):  # a folder each: the files of one owner are no other's affair
        from holdfast.storage.faces.names import name_face  # noqa: PLC0415 - as above

        folder = folder.with_name(f"tasks-of-{name_face((arguments.owner,), '')}")
    return TaskFaces(store, folder, clock=SystemClock(), owner=arguments.owner)


def tell(report: Report, output: Output) -> None:
    """Note what became of the files that somebody edited."""
    for each in report.findings:
        output.note(f"{each.outcome.value}: {each.sentence}")


def _as_data(report: Report) -> list[dict[str, object]]:
    return [
        {
            "outcome": each.outcome.value,
            "file": str(each.path),
            "sentence": each.sentence,
            "kept": str(each.kept) if each.kept else None,
        }
        for each in report.findings
    ]
