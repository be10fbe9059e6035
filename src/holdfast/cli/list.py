"""`holdfast list`: the newest runs, a line each."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from holdfast.app.stores import onlooker, open_only_store
from holdfast.cli.options import check_limit
from holdfast.cli.output import Output, iso, moment, seconds
from holdfast.cli.settings import settings_of
from holdfast.cli.tables import print_table
from holdfast.engine.outside import list_runs
from holdfast.routing.cost import format_msat
from holdfast.settings import Settings
from holdfast.tasks.record import LOCAL_OWNER
from holdfast.tasks.state import TaskState, is_terminal
from holdfast.tasks.summaries import Summary

EVERYTHING = 10**9
_SPARE = ("WORKED", "STEPS", "COST", "CREATED")
WAITING, INTERRUPTED = "waiting", "interrupted"
"""What people are told of a run that waits for an answer, and of one that nobody works on."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="how many (default 50)")
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument(
        "--state",
        choices=[*map(str, TaskState), WAITING, INTERRUPTED],
        help="only runs in this state",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the runs."""
    settings = settings_of(arguments, output)
    check_limit(arguments)
    limit = EVERYTHING if arguments.all or arguments.state else arguments.limit + 1
    runs, held = asyncio.run(_read(settings, limit))
    if arguments.state:
        runs = [each for each in runs if _is_in(arguments.state, each, held)]
    more = not arguments.all and len(runs) > arguments.limit
    runs = runs if arguments.all else runs[: arguments.limit]
    output.data([_as_data(each, held) for each in runs])
    _print(runs, held, output)
    if more:
        output.note("there are more: --limit N or --all shows them")
    return 0


async def _read(settings: Settings, limit: int) -> tuple[Sequence[Summary], set[str]]:
    """Return the runs, and the ids of those that a live process works on."""
    async with open_only_store(settings) as store:
        runs = await list_runs(store, LOCAL_OWNER, limit=limit)
        looker, held = onlooker(settings, store), set[str]()
        for each in runs:
            if not is_terminal(each.state) and await looker.is_alive(each.holder or None):
                held.add(each.id)
        return runs, held


def status(run: Summary, *, held: bool) -> str:
    """Return the state of a run in the words of the list.

    A run that waits is interrupted too if it had more to do when its process died.
    """
    if is_terminal(run.state):
        return str(run.state)
    waits = run.state is TaskState.INPUT_REQUIRED
    if not held and not (waits and not run.holder):
        return INTERRUPTED
    return WAITING if waits else str(run.state)


def _is_in(state: str, run: Summary, held: set[str]) -> bool:
    return state in (str(run.state), status(run, held=run.id in held))


def _as_data(run: Summary, held: set[str]) -> dict[str, object]:
    data: dict[str, object] = run._asdict()
    stamps = {name: iso(getattr(run, name)) for name in data if name.endswith("_at")}
    return {**data, **stamps, "holder": run.holder or None, "held": run.id in held}


def _print(runs: Sequence[Summary], held: set[str], output: Output) -> None:
    if not runs:
        output.line(f"no runs yet; start one with: {output.command('run', 'FILE')}")
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
    print_table(rows, output, elastic=1, spare=_SPARE)
