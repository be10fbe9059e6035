"""Show what a run does while it does it: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holdfast.cli.output import Output, safe, seconds
from holdfast.engine.seam import Observer, Progress
from holdfast.routing.cost import format_msat

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_WORDS = {
    "step_finished": "done",
    "step_failed": "failed",
    "step_remembered": "remembered",
    "step_retried": "retry",
    "input_requested": "asks",
}


@contextmanager
def progress_display(
    output: Output, *, quiet: bool, of_several: bool = False
) -> Generator[Observer]:
    """Give an observer that shows progress on standard error.

    With `of_several` each line begins with the id of its run.
    """
    if quiet or output.as_json:
        yield _nothing
    elif sys.stderr.isatty():
        with _live(of_several=of_several) as display:
            yield display.show
    else:
        yield _Plain(of_several=of_several).show


def _nothing(_: Progress) -> None:
    pass


def describe(progress: Progress) -> str | None:
    """Return a line about what has happened, None for what is only beginning."""
    word = _WORDS.get(progress.kind)
    if word is None:
        return None
    name = progress.path if progress.visit == 1 else f"{progress.path} (visit {progress.visit})"
    return safe(f"{word:<10}  {name}{_detail(progress)}")


def _run(progress: Progress) -> str:
    return f"{progress.run_id[:8]}  "


def _detail(progress: Progress) -> str:
    message = progress.message.partition("\n")[0]
    match progress.kind:
        case "step_finished":
            parts = [seconds(progress.seconds * 1000)]
            if "cost_msat" in progress.meta:
                parts.append(_cost(progress))
            return "  " + ", ".join(parts)
        case "step_retried":
            return f"  in {progress.seconds:.1f} s: {message}"
        case "step_failed" | "input_requested":
            return f"  {message}"
        case _:
            return ""


def _cost(progress: Progress) -> str:
    cost = progress.meta["cost_msat"]
    priced = format_msat(cost if isinstance(cost, int) else None)
    kind = "extractive, " if progress.meta.get("extractive") else ""
    return f"{kind}{priced}"


class _Plain:
    def __init__(self, *, of_several: bool) -> None:
        self._of_several = of_several

    def show(self, progress: Progress) -> None:
        line = describe(progress)
        if line is not None:
            sys.stderr.write(f"  {_run(progress) if self._of_several else ''}{line}\n")
            sys.stderr.flush()


class _Live:
    """Finished steps scroll up; those under way spin below them."""

    def __init__(self, bars: Bars, *, of_several: bool) -> None:
        self._bars = bars
        self._of_several = of_several
        self._under_way: dict[tuple[str, str, int], TaskID] = {}

    def show(self, progress: Progress) -> None:
        from rich.text import Text  # noqa: PLC0415 - loaded with the display

        key = progress.run_id, progress.path, progress.visit
        run = _run(progress) if self._of_several else ""
        if progress.kind == "step_started" and key not in self._under_way:
            self._under_way[key] = self._bars.add_task(run + safe(progress.path))
        if progress.kind in ("step_finished", "step_failed") and key in self._under_way:
            self._bars.remove_task(self._under_way.pop(key))
        line = describe(progress)
        if line is not None:
            self._bars.console.print(Text(run + line))


@contextmanager
def _live(*, of_several: bool) -> Generator[_Live]:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import Progress as Bars  # noqa: PLC0415
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Live(bars, of_several=of_several)
