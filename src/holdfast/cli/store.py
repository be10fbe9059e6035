"""`holdfast store`: look after a store: verify, repair, compact, back up, restore, move."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from holdfast.cli.output import Output, count
from holdfast.cli.settings import settings_of
from holdfast.clock import SystemClock
from holdfast.errors import StorageError, StorageUnavailable, UsageError
from holdfast.settings import Settings
from holdfast.storage.maintenance import Copied, Report, Upkeep
from holdfast.storage.upkeep import upkeep_of

ACTIONS = {
    "verify": "look at everything in the store and change nothing; it may be in use",
    "repair": "mend what is damaged; the original bytes go into quarantine",
    "compact": "drop the history that nobody can read any more; the store may be in use",
    "backup": "copy the store as it is at one moment into an empty folder; it may be in use",
    "restore": "put a backup in place of an empty store",
    "export": "print all records and logs as lines of JSON, from any store",
    "import": "write what was exported into an empty store of any kind",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their arguments."""
    actions = parser.add_subparsers(
        dest="action",
        metavar="ACTION",
        title="actions",
        required=True,
        help=f"one of {', '.join(ACTIONS)}",
    )
    parsers: dict[str, argparse.ArgumentParser] = {}
    for name, summary in ACTIONS.items():
        description = summary[0].upper() + summary[1:] + "."
        parsers[name] = actions.add_parser(name, help=summary, description=description)
        _add_common(parsers[name])
        parsers[name].set_defaults(parser=parsers[name])
    _add_arguments(parsers)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Do what was asked for."""
    settings = settings_of(arguments, output)
    if arguments.action in ("export", "import"):
        transfer = _export if arguments.action == "export" else _import
        return transfer(arguments, settings, output)
    upkeep = upkeep_of(settings.store, clock=SystemClock())
    return _ACTIONS[arguments.action](upkeep, arguments, output)


def _add_arguments(parsers: dict[str, argparse.ArgumentParser]) -> None:
    parsers["verify"].add_argument(
        "--quick", action="store_true", help="do not compare the index with the journal"
    )
    parsers["repair"].add_argument(
        "--dry-run", action="store_true", help="only say what would be done"
    )
    parsers["backup"].add_argument(
        "folder", metavar="DIR", type=Path, help="an empty or new folder"
    )
    restore = parsers["restore"]
    restore.add_argument("folder", metavar="DIR", type=Path, help="the folder of a backup")
    restore.add_argument(
        "--force", action="store_true", help="move what the store holds aside, and restore"
    )
    parsers["export"].add_argument(
        "--out", metavar="FILE", type=Path, help="write to a new file, not to standard output"
    )
    importing = parsers["import"]
    importing.add_argument("file", metavar="FILE", type=Path, help="what was exported")
    importing.add_argument(
        "--into-existing",
        action="store_true",
        help="the store may hold something: that stays, and what differs is refused and named",
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Let the common options stand behind the action too, where people write them."""
    group = parser.add_argument_group("common options")
    unset = argparse.SUPPRESS
    for name, text in (("--json", "print one JSON document"), ("--debug", "show tracebacks too")):
        group.add_argument(name, action="store_true", default=unset, help=text)
    group.add_argument("--store", metavar="URL", default=unset, help="the store")


def _verify(upkeep: Upkeep, arguments: argparse.Namespace, output: Output) -> int:
    report = upkeep.verify(thorough=not arguments.quick)
    output.data(_report_data(report))
    _print_report(report, output)
    if report.is_clean:
        return 0
    if any(finding.remedy != "none" for finding in report.findings):
        output.note(f"  to see what can be done: {output.command('store', 'repair', '--dry-run')}")
    return StorageError.exit_code


def _repair(upkeep: Upkeep, arguments: argparse.Namespace, output: Output) -> int:
    repaired = upkeep.repair(dry_run=arguments.dry_run)
    left = repaired.left
    output.data(
        {
            "found": _report_data(repaired.found),
            "actions": list(repaired.actions),
            "left": _report_data(left) if left else None,
        }
    )
    _print_findings(repaired.found, output)
    for action in repaired.actions:
        output.line(f"would {action}" if arguments.dry_run else action)
    if repaired.found.is_clean:
        output.line("nothing is damaged")
    elif left is not None:
        _print_left(left, output)
    return StorageError.exit_code if left and left.findings else 0


def _print_left(left: Report, output: Output) -> None:
    if left.findings:
        output.line(f"{count(len(left.findings), 'place')} could not be mended:")
        _print_findings(left, output)
    else:
        output.line("the store was read again: nothing is damaged any more")


def _compact(upkeep: Upkeep, arguments: argparse.Namespace, output: Output) -> int:  # noqa: ARG001
    compacted = upkeep.compact()
    output.data(asdict(compacted))
    output.line(f"{compacted.bytes_before} bytes before, {compacted.bytes_after} bytes now")
    for note in compacted.notes:
        output.note(note)
    return 0


def _backup(upkeep: Upkeep, arguments: argparse.Namespace, output: Output) -> int:
    copied = upkeep.backup(arguments.folder)
    _print_copied(copied, output)
    output.note("the copy was read again and is whole")
    return 0


def _restore(upkeep: Upkeep, arguments: argparse.Namespace, output: Output) -> int:
    copied = upkeep.restore(arguments.folder, force=arguments.force)
    _print_copied(copied, output)
    if copied.replaced:
        output.note(f"what was there before is in {copied.replaced}")
    return 0


_ACTIONS: dict[str, Callable[[Upkeep, argparse.Namespace, Output], int]] = {
    "verify": _verify,
    "repair": _repair,
    "compact": _compact,
    "backup": _backup,
    "restore": _restore,
}


def _export(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    from holdfast.app.places import store_exists  # noqa: PLC0415 - only here
    from holdfast.app.stores import open_only_store  # noqa: PLC0415 - only here
    from holdfast.storage.transfer import Counts, export_store  # noqa: PLC0415 - only here

    async def export(write: Callable[[str], object]) -> Counts:
        async with open_only_store(settings) as store:
            return await export_store(store, write)

    if not store_exists(settings):
        raise StorageUnavailable(
            f"there is no store in {settings.store!r}",
            hint="nothing was kept yet, or check --store",
        )
    if arguments.out is None:
        asyncio.run(export(output.raw))
        return 0
    with _new_file(arguments.out) as write:
        counts = asyncio.run(export(write))
    output.data({"file": str(arguments.out), **asdict(counts)})
    output.line(
        f"exported {count(counts.records, 'record')} and {counts.entries} entries of "
        f"{count(counts.logs, 'log')} to {arguments.out}"
    )
    return 0


def _import(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    from holdfast.app.places import store_exists  # noqa: PLC0415 - only here
    from holdfast.storage.opening import open_store  # noqa: PLC0415 - only here
    from holdfast.storage.transfer import Imported, check_export, import_file  # noqa: PLC0415

    opening = open_store(settings.store, clock=SystemClock(), ack=settings.ack)
    if not store_exists(settings):  # and it is not made for what cannot be read
        check_export(arguments.file, max_value_bytes=opening.max_value_bytes)

    async def importing() -> Imported:
        async with opening as store:
            return await import_file(store, arguments.file, into_existing=arguments.into_existing)

    done = asyncio.run(importing())
    output.data(asdict(done))
    output.line(f"imported {count(done.records, 'record')} and {done.entries} entries")
    if done.same:
        output.line(f"{done.same} records and entries were there already")
    for key in done.refused_records:
        output.line(f"refused: the record {'/'.join(key)} is another one here")
    for key in done.refused_logs:
        output.line(f"refused: the log {'/'.join(key)} is another one here")
    return 0


@contextmanager
def _new_file(path: Path) -> Generator[Callable[[str], object]]:
    """Give what writes to a new file, which is there only when it is complete."""
    if path.exists():
        raise UsageError(f"{path} exists", hint="name a new file")
    incoming = path.with_name(f"{path.name}.incoming")
    try:
        with incoming.open("w", encoding="utf-8", newline="\n") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        incoming.rename(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        incoming.unlink(missing_ok=True)


def _report_data(report: Report) -> dict[str, object]:
    return {**asdict(report), "clean": report.is_clean}


def _print_report(report: Report, output: Output) -> None:
    _print_findings(report, output)
    for note in report.notes:
        output.line(f"note: {note}")
    counts = ", ".join(f"{number} {name}" for name, number in report.counts.items())
    output.line(f"{report.store}: {counts}")
    output.line(report.promise)
    damaged = count(len(report.findings), "damaged place")
    output.line("nothing is damaged" if report.is_clean else damaged)


def _print_findings(report: Report, output: Output) -> None:
    for finding in report.findings:
        where = f" at {finding.offset}, {count(finding.length, 'byte')}" if finding.length else ""
        output.line(f"{finding.file}{where}: {finding.reason}")
        output.line(f"  {finding.remedy}: {finding.means}")


def _print_copied(copied: Copied, output: Output) -> None:
    data = {**asdict(copied), "report": _report_data(copied.report)}
    output.data(data)
    size = f"{count(copied.files, 'file')}, {copied.bytes} bytes"
    output.line(f"copied {copied.source} to {copied.target}: {size}")
