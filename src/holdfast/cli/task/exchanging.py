"""`holdfast task export` and `import`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from holdfast.cli.output import Output, count
from holdfast.cli.settings import settings_of
from holdfast.cli.task.desk import named_session, tasks_of
from holdfast.cli.task.parts import add_filters, read_states
from holdfast.cli.times import read_time
from holdfast.clock import SystemClock
from holdfast.errors import InputError, UsageError

if TYPE_CHECKING:
    from holdfast.storage.seam import Store
    from holdfast.tasks.exchange.exporting import Exported
    from holdfast.tasks.exchange.importing import Imported
    from holdfast.tasks.exchange.seam import Finding
    from holdfast.tasks.requests import Filter
    from holdfast.tasks.service import Tasks

T = TypeVar("T")
_FORMATS = ("holdfast", "taskwarrior", "beads", "backlog", "seed")
_EVERY = 100
Advance = Callable[[int, int], object]


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    if verb == "export":
        parser.add_argument(
            "--format", choices=_FORMATS, default="holdfast",
            help="whose format (default holdfast: whole histories, nothing is lost)",
        )  # fmt: skip
        parser.add_argument(
            "--output", metavar="PATH", type=Path,
            help="a new file, or a folder for backlog (default: standard output)",
        )  # fmt: skip
        add_filters(parser)
        return
    parser.add_argument("path", metavar="PATH", type=Path, help="a file, or a folder of Backlog.md")
    parser.add_argument("--format", choices=_FORMATS, help="whose format (default: by its looks)")
    parser.add_argument(
        "--namespace", metavar="NAME",
        help="what tells the ids of this project from those of another one",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Do what was asked for."""
    return _export(arguments, output) if arguments.verb == "export" else _import(arguments, output)


def _import(arguments: argparse.Namespace, output: Output) -> int:
    from holdfast.app.stores import open_only_store  # noqa: PLC0415 - only here
    from holdfast.tasks.exchange.formats import detect_format, format_named  # noqa: PLC0415
    from holdfast.tasks.exchange.importing import import_tasks  # noqa: PLC0415

    path: Path = arguments.path
    if not path.exists():
        raise UsageError(f"there is no {path}", hint="check the path")
    form = format_named(arguments.format) if arguments.format else detect_format(path)
    settings = settings_of(arguments, output)

    async def bring(store: Store) -> Imported:
        with _progress(output, "imported") as advance:
            return await import_tasks(
                tasks_of(store, arguments),
                form,
                path,
                now=SystemClock().now_ms(),
                space=arguments.namespace,
                dry_run=arguments.dry_run,
                advance=advance,
            )

    done = _run_on(open_only_store(settings, make=not arguments.dry_run), bring)
    _print_imported(done, form.name, arguments, output)
    return InputError.exit_code if done.problems else 0


def _print_imported(
    done: Imported, form: str, arguments: argparse.Namespace, output: Output
) -> None:
    counts = {name: getattr(done, name) for name in ("read", "created", "updated", "same")}
    findings = [_as_data(each) for each in done.findings]
    output.data(
        {"format": form, "dry_run": arguments.dry_run, **counts, "findings": findings},
    )
    for text, number in _grouped(done.findings).items():
        output.line(text if number == 1 else f"{text}\n  and {number - 1} more like this")
    would = "would be " if arguments.dry_run else ""
    output.line(
        f"{count(done.read, 'task')} read as {form}: {done.created} {would}created,"
        f" {done.updated} {would}updated, {done.same} the same"
    )
    if done.problems:
        output.line(f"{count(done.problems, 'problem')}: see above")


def _grouped(findings: list[Finding]) -> dict[str, int]:
    """Return what is to be said, with how often; remarks of the same words are said once."""
    said: dict[tuple[str, str, object], tuple[str, int]] = {}
    for number, each in enumerate(findings):
        about = f" ({each.item})" if each.item else ""
        text = f"{each.weight}: {each.place}{about}: {each.what}\n  {each.remedy}"
        key = (each.what, each.remedy, number if each.weight == "problem" else None)
        first, times = said.get(key, (text, 0))
        said[key] = (first, times + 1)
    return dict(said.values())


def _export(arguments: argparse.Namespace, output: Output) -> int:
    from holdfast.app.stores import open_only_store  # noqa: PLC0415 - only here
    from holdfast.tasks.exchange.exporting import export_tasks  # noqa: PLC0415
    from holdfast.tasks.exchange.formats import format_named  # noqa: PLC0415
    from holdfast.tasks.exchange.seam import Target  # noqa: PLC0415

    form, path = format_named(arguments.format), arguments.output
    settings = settings_of(arguments, output)
    is_folder = form.name == "backlog"

    async def take(store: Store) -> Exported:
        tasks = tasks_of(store, arguments)
        wanted = await _filter(tasks, arguments)
        with _sink(None if is_folder else path, output) as write:
            target = Target(text=write, left_out=_nothing, folder=path if is_folder else None)
            quiet = path is None
            with _progress(output, "exported", quiet=quiet) as advance:
                return await export_tasks(tasks, form, target, wanted=wanted, advance=advance)

    done = _run_on(open_only_store(settings), take)
    left_out = dict(sorted(done.left_out.items()))
    if path is not None:
        output.data(
            {"format": form.name, "path": str(path), "tasks": done.tasks, "left_out": left_out}
        )
        output.line(f"exported {count(done.tasks, 'task')} to {path}")
    if left_out:
        told = "\n".join(f"  {number} x {name}" for name, number in left_out.items())
        output.note(f"the format {form.name} has no place for:\n{told}")
    return 0


def _run_on(store: Store, action: Callable[[Store], Awaitable[T]]) -> T:
    """Return what comes of an action that has many things under way, whatever the store is."""
    import asyncio  # noqa: PLC0415 - only here

    async def act() -> T:
        async with store:
            return await action(store)

    return asyncio.run(act())


async def _filter(tasks: Tasks, arguments: argparse.Namespace) -> Filter:
    from holdfast.tasks.requests import Filter  # noqa: PLC0415 - only here
    from holdfast.tasks.state import TaskState  # noqa: PLC0415 - as above

    now = SystemClock().now_ms()
    return Filter(
        states=frozenset(map(TaskState, read_states(arguments))),
        session=await named_session(tasks, arguments),
        tags=frozenset(arguments.tag),
        created_from=read_time(arguments.since, now),
        created_before=read_time(arguments.before, now),
        standing=arguments.standing,
    )


@contextmanager
def _sink(path: Path | None, output: Output) -> Generator[Callable[[str], object]]:
    """Give what writes text: to a new file, which is gone if the writing fails, or to the output."""
    if path is None:
        yield output.raw
        return
    try:
        file = path.open("x", encoding="utf-8", errors="surrogatepass", newline="\n")
    except FileExistsError:
        raise UsageError(
            f"{path} is there already", hint="name a new file, or move that one away"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with file:
            yield file.write
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextmanager
def _progress(output: Output, verb: str, *, quiet: bool = False) -> Generator[Advance]:
    """Give what shows on a terminal how far it has come."""
    if quiet or output.as_json or not sys.stderr.isatty():
        yield _nothing
        return

    def show(done: int, total: int) -> None:
        if done % _EVERY == 0 or done == total:
            sys.stderr.write(f"\r{verb} {done} of {total}")
            sys.stderr.flush()

    yield show
    sys.stderr.write("\r\x1b[K")


def _as_data(finding: Finding) -> dict[str, object]:
    members = asdict(finding)
    place: dict[str, object] = members.pop("place")
    return {**members, "file": place["file"], "line": place["line"] or None}


def _nothing(*told: object) -> None:
    """Take note of nothing."""
    del told
