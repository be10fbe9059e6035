"""`holdfast task stats`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.output import Output, iso, moment, seconds
from holdfast.cli.task.desk import look
from holdfast.cli.task.parts import PRIORITIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.tasks.listing import Stats
    from holdfast.tasks.service import Tasks


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add nothing: the verb has no arguments of its own."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the numbers."""

    async def count(tasks: Tasks) -> Stats:
        return await tasks.stats()

    stats = look(arguments, output, count)
    if output.as_json:
        output.data(_as_data(stats))
        return 0
    output.line(f"tasks       {stats.total}")
    for state, number in stats.by_state.items():
        output.line(f"  {state:<14} {number}")
    output.line(f"ready       {stats.ready}")
    output.line(f"blocked     {stats.blocked}, {stats.blocked_by_failed} of them by a failure")
    _print_counts("open, by priority", _named(stats.by_priority), output)
    _print_counts("open, by tag", stats.by_tag, output)
    if stats.oldest_open_at is not None:
        output.line(f"oldest open {moment(stats.oldest_open_at)}")
    if stats.median_ms is not None:
        output.line(f"half took   {seconds(stats.median_ms)} at most, from creation to result")
    return 0


def _as_data(stats: Stats) -> dict[str, object]:
    from dataclasses import asdict  # noqa: PLC0415 - only here

    return {
        **asdict(stats),
        "by_state": {str(state): number for state, number in stats.by_state.items()},
        "by_priority": _named(stats.by_priority),
        "oldest_open_at": iso(stats.oldest_open_at),
    }


def _named(counts: Mapping[int, int]) -> dict[str, int]:
    return {PRIORITIES[priority]: number for priority, number in counts.items()}


def _print_counts(title: str, counts: Mapping[str, int], output: Output) -> None:
    if counts:
        output.line(f"{title}: " + ", ".join(f"{name} {number}" for name, number in counts.items()))
