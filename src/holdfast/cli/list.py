"""`holdfast list`: the newest runs, a line each."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import asdict

from holdfast.app import onlooker, open_only_store
from holdfast.cli.output import Output, iso, moment, seconds, table
from holdfast.cli.settings import settings_of
from holdfast.engine.outside import list_runs
from holdfast.engine.records import RunSummary
from holdfast.routing.cost import format_msat
from holdfast.settings import Settings
from holdfast.tasks.state import TaskState, is_terminal

EVERYTHING = 10**9


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="how many (default 50)")
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument(
        "--state", choices=[str(state) for state in TaskState], help="only runs in this state"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the runs."""
    settings = settings_of(arguments, output)
    limit = EVERYTHING if arguments.all or arguments.state else max(1, arguments.limit) + 1
    runs, held = asyncio.run(_read(settings, limit))
    if arguments.state:
        runs = [each for each in runs if each.state == arguments.state]
    more = not arguments.all and len(runs) > arguments.limit
    runs = runs if arguments.all else runs[: arguments.limit]
    output.data([_as_data(each, held) for each in runs])
    _print(runs, held, output)
    if more:
        output.note("there are more: --limit N or --all shows them")
    return 0


async def _read(settings: Settings, limit: int) -> tuple[Sequence[RunSummary], set[str]]:
    """Return the runs, and the ids of those that a live process works on."""
    async with open_only_store(settings) as store:
        runs = await list_runs(store, limit=limit)
        looker, held = onlooker(settings, store), set[str]()
        for each in runs:
            if not is_terminal(each.state) and await looker.is_alive(each.holder):
                held.add(each.id)
        return runs, held


def status(run: RunSummary, *, held: bool) -> str:
    """Return the state of a run in the words of the list."""
    if run.state in (TaskState.WORKING, TaskState.PENDING) and not held:
        return "interrupted"
    return str(run.state)


def _as_data(run: RunSummary, held: set[str]) -> dict[str, object]:
    stamps = {name: iso(getattr(run, name)) for name in ("created_at", "updated_at", "ended_at")}
    return {**asdict(run), **stamps, "held": run.id in held}


def _print(runs: Sequence[RunSummary], held: set[str], output: Output) -> None:
    if not runs:
        output.line("no runs yet; start one with: holdfast run FILE")
        return
    rows: list[tuple[str, ...]] = [("ID", "NAME", "STATE", "STEPS", "WORKED", "COST", "CREATED")]
    rows += [
        (
            each.id[:8],
            each.name,
            status(each, held=each.id in held),
            str(each.steps),
            seconds(each.worked_ms),
            format_msat(each.cost_msat if each.cost_known else None),
            moment(each.created_at),
        )
        for each in runs
    ]
    for line in table(rows):
        output.line(line)
