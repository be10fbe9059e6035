"""`holdfast merge`: merge two clones of a project; git calls it as its merge driver."""

from __future__ import annotations

import argparse
from pathlib import Path

from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.errors import UsageError

_EPILOG = """four ways to call it:
  holdfast merge --install            tell git how to merge the store of this project (in each clone)
  holdfast merge                      finish what git could not: conflicts in the store, a journal to sort
  holdfast merge FOLDER OTHER         bring all of the store in OTHER into the one in FOLDER
  holdfast merge BASE OURS THEIRS PATH    what git calls: the result takes the place of OURS
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("paths", metavar="PATH", nargs="*", help="none, two folders, or four files")
    parser.add_argument(
        "--install", action="store_true", help="write the settings of git for this store"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Do what was asked for."""
    paths: list[str] = arguments.paths
    if arguments.install and paths:
        raise UsageError("--install goes without paths", hint="name the store with --store")
    if len(paths) == 4:
        return _drive(paths, output)
    if len(paths) == 2:
        return _merge_folders(Path(paths[0]), Path(paths[1]), output)
    if paths:
        raise UsageError(
            f"`holdfast merge` takes no path, two folders or four files, not {len(paths)} paths",
            hint="see `holdfast merge --help`",
        )
    store = _folder_of(arguments, output)
    return _install(store, output) if arguments.install else _finish(store, output)


def _drive(paths: list[str], output: Output) -> int:
    from holdfast.storage.sharing.driver import merge_by_git  # noqa: PLC0415 - only here

    base, ours, theirs = map(Path, paths[:3])
    merged = merge_by_git(base, ours, theirs, paths[3])
    output.data({"path": paths[3], "done": merged.is_done, "report": list(merged.report)})
    for told in merged.report:
        output.note(f"holdfast: {told}")
    return 0


def _merge_folders(folder: Path, other: Path, output: Output) -> int:
    from holdfast.storage.files.upkeep.merge import merge_stores  # noqa: PLC0415 - only here
    from holdfast.storage.sharing.driver import tell  # noqa: PLC0415 - only here

    joined = merge_stores(folder, other)
    output.data(
        {
            "store": str(folder),
            "other": str(other),
            "lines_here": joined.new_here,
            "lines_there": joined.new_there,
            "records": joined.records,
            "logs": joined.logs,
            "lost": joined.lost,
        }
    )
    if not joined.new_there:
        output.line("everything is there already")
        return 0
    for told in tell(joined):
        output.line(told)
    return 0


def _install(store: Path, output: Output) -> int:
    from holdfast.storage.sharing.installing import install  # noqa: PLC0415 - only here

    done = install(store)
    output.data({"store": str(store), "done": done})
    for told in done or ["everything is there already"]:
        output.line(told)
    if done:
        output.note(f"next: git add {store}, commit, and run this in every other clone too")
    return 0


def _finish(store: Path, output: Output) -> int:
    from holdfast.storage.sharing.finishing import finish  # noqa: PLC0415 - only here

    finished = finish(store)
    output.data({"store": str(store), "solved": finished.solved, "report": finished.report})
    for path in finished.solved:
        output.line(f"merged {path}")
    for told in finished.report:
        output.line(told)
    if not (finished.solved or finished.report):
        output.line("there is nothing to merge")
    else:
        output.note("next: git commit")
    return 0


def _folder_of(arguments: argparse.Namespace, output: Output) -> Path:
    address = settings_of(arguments, output).store
    scheme, _, rest = address.partition(":")
    if scheme != "files":
        raise UsageError(
            f"a {scheme} store is no folder that git could carry",
            hint="use `files:.holdfast`; `holdfast store export` and `import` move what is there",
        )
    folder = Path(rest.partition("?")[0]).expanduser().absolute()
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
