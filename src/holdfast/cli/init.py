"""`holdfast init`: make a project: settings and a first workflow."""

from __future__ import annotations

import argparse
import shlex
from importlib.resources import files
from pathlib import Path

from holdfast.cli.output import Output
from holdfast.errors import UsageError

TEMPLATES = ("holdfast.toml", "workflow.yaml")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", type=Path, default=Path(), help="the folder (default .)"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Write what is not there yet; nothing is overwritten."""
    folder: Path = arguments.folder
    made: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in TEMPLATES:
            if not (folder / name).exists():
                (folder / name).write_text(_template(name), encoding="utf-8")
                made.append(name)
        made += _ignore_store(folder)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made a project: {error.strerror}") from error
    output.data({"folder": str(folder.resolve()), "made": made})
    for name in made:
        output.line(f"made {folder / name}")
    if not made:
        output.line("everything is there already")
    where = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    output.line(f"next: {where}holdfast run workflow.yaml --input text=@FILE")
    return 0


def _template(name: str) -> str:
    return files("holdfast.cli").joinpath("templates", name).read_text(encoding="utf-8")


def _ignore_store(folder: Path) -> list[str]:
    """Keep the store out of version control, where there is version control."""
    path = folder / ".gitignore"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if ".holdfast/" in text.splitlines() or not (path.exists() or (folder / ".git").exists()):
        return []
    path.write_text(
        text + ("" if text.endswith("\n") or not text else "\n") + ".holdfast/\n", encoding="utf-8"
    )
    return [".gitignore"]
