"""Open the memory for a verb: take in what people edited, do the work, write the files."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from holdfast.app.memories import open_memories
from holdfast.app.places import faces_folder, store_exists
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.errors import FaceError
from holdfast.settings import Settings

if TYPE_CHECKING:
    from holdfast.memory.memories import Memories
    from holdfast.storage.faces import Finding, Report

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Worked(Generic[T]):
    """What came of a verb, and what became of the files that people had edited."""

    result: T
    edits: Sequence[Finding] = ()

    @property
    def exit_code(self) -> int:
        """The code of a command that worked, but could not take in all that people wrote."""
        return FaceError.exit_code if any(map(_is_bad, self.edits)) else 0

    def edits_data(self) -> list[dict[str, object]]:
        """Return what became of the edited files, as JSON."""
        return [
            {
                "outcome": each.outcome.value,
                "path": str(each.path),
                "message": each.sentence,
                "kept": str(each.kept) if each.kept else None,
                "line": each.line,
            }
            for each in self.edits
        ]

    def tell_edits(self, output: Output) -> None:
        """Note what became of the edited files."""
        for each in self.edits:
            output.note(f"{each.outcome.value}: {each.sentence}")
        if self.exit_code:
            output.note("  what could not be taken in is kept; mend it and save it in its place")


def look(
    arguments: argparse.Namespace, output: Output, action: Callable[[Memories], Awaitable[T]]
) -> Worked[T]:
    """Do what changes nothing; a store that is not there is made only to take in new files."""
    return work(arguments, output, action, make=False)


def work(
    arguments: argparse.Namespace,
    output: Output,
    action: Callable[[Memories], Awaitable[T]],
    *,
    make: bool = True,
) -> Worked[T]:
    """Do what changes something; a store that is not there is made, without `make` as in `look`.

    What fails makes none.
    """
    settings = settings_of(arguments, output)
    folder = faces_folder(settings)
    has_files = folder is not None and (folder / "memory").is_dir()
    if make and not has_files and not store_exists(settings):
        _run(settings, action, make=False)
    return _run(settings, action, make=make or has_files)


def _run(
    settings: Settings, action: Callable[[Memories], Awaitable[T]], *, make: bool
) -> Worked[T]:
    async def act() -> Worked[T]:
        async with open_memories(settings, make=make) as memories:
            report: Report | None = await memories.take_in()
            result = await action(memories)
            await memories.write_files()
            return Worked(result, report.findings if report else ())

    import asyncio  # noqa: PLC0415 - not before it is needed

    return asyncio.run(act())


def _is_bad(finding: Finding) -> bool:
    return finding.outcome.value in ("conflict", "quarantined", "refused", "blocked")
