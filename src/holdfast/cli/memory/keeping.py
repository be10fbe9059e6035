"""`holdfast memory export | import | repair`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.app.places import faces_folder
from holdfast.cli.memory.desk import look, work
from holdfast.cli.output import Output, count
from holdfast.cli.settings import settings_of
from holdfast.errors import StorageError, UsageError

if TYPE_CHECKING:
    from holdfast.memory.memories import Memories
    from holdfast.memory.settling import Mended
    from holdfast.memory.transfer import Imported


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    if verb == "export":
        parser.add_argument(
            "--out", metavar="FILE", type=Path, help="write to a new file, not to standard output"
        )
    elif verb == "import":
        parser.add_argument("file", metavar="FILE", type=Path, help="what was exported")
    else:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Do what was asked for."""
    verbs = {"export": _export, "import": _import, "repair": _repair}
    return verbs[arguments.verb](arguments, output)


def _export(arguments: argparse.Namespace, output: Output) -> int:
    lines: list[str] = []

    async def export(memories: Memories) -> int:
        return await memories.export(lines.append)

    if arguments.out is not None and arguments.out.exists():
        raise UsageError(f"{arguments.out} exists", hint="name a new file")
    worked = look(arguments, output, export)
    if arguments.out is None:
        output.raw("".join(lines))
    else:
        _write_new(arguments.out, "".join(lines))
        output.data(
            {
                "file": str(arguments.out),
                "entries": worked.result,
                "edits": worked.edits_data(),
            }
        )
        output.line(f"exported {worked.result} entries to {arguments.out}")
    worked.tell_edits(output)
    return worked.exit_code


def _write_new(path: Path, text: str) -> None:
    """Write a file that is there only when it is complete."""
    incoming = path.with_name(f"{path.name}.incoming")
    try:
        incoming.write_text(text, encoding="utf-8", newline="\n")
        incoming.rename(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        incoming.unlink(missing_ok=True)


def _import(arguments: argparse.Namespace, output: Output) -> int:
    try:
        lines = arguments.file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        hint = "name a file that `holdfast memory export` wrote"
        raise UsageError(f"{arguments.file} cannot be read: {why}", hint=hint) from error
    if lines == [""]:
        raise UsageError(f"{arguments.file} is empty", hint="name what was exported")

    async def take(memories: Memories) -> Imported:
        return await memories.take(lines)

    worked = work(arguments, output, take)
    done = worked.result
    output.data({**asdict(done), "edits": worked.edits_data()})
    output.line(
        f"{done.added} new, {done.advanced} brought up to date, {done.same} there already, "
        f"{len(done.refused)} refused"
    )
    for entry_id in done.refused:
        output.line(f"refused: something else happened to {entry_id} here")
    worked.tell_edits(output)
    return UsageError.exit_code if done.refused else worked.exit_code


def _repair(arguments: argparse.Namespace, output: Output) -> int:
    async def repair(memories: Memories) -> Mended:
        return await memories.repair(dry_run=arguments.dry_run)

    worked = work(arguments, output, repair, make=False)
    mended, kept = worked.result, _kept_files(arguments, output)
    output.data(
        {
            "entries": mended.entries,
            "mended": list(mended.mended),
            "lost": list(mended.lost),
            "dry_run": arguments.dry_run,
            "kept": [str(each) for each in kept],
            "edits": worked.edits_data(),
        }
    )
    for each in mended.mended:
        output.line(f"{'would mend' if arguments.dry_run else 'mended'} {each}")
    for each in mended.lost:
        output.line(f"lost {each}")
    wrong = len(mended.mended) + len(mended.lost)
    output.line(f"{mended.entries} entries, {count(wrong, 'wrong one') if wrong else 'all right'}")
    for each in kept:
        output.note(f"an edit that was not taken in is kept: {each}")
    worked.tell_edits(output)
    return StorageError.exit_code if mended.lost else worked.exit_code


def _kept_files(arguments: argparse.Namespace, output: Output) -> list[Path]:
    """Return the files of people that could not be taken in, and are nowhere else."""
    folder = faces_folder(settings_of(arguments, output))
    if folder is None:
        return []
    return sorted(each for each in (folder / "memory" / "conflicts").glob("*.md") if each.is_file())
