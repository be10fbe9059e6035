"""Measure tasks beside Taskwarrior and Backlog.md: `python -m benchmarks.tasks [--json] [--quick]`.

The command line is measured from an installed wheel with bytecode, as `benchmarks.cli` does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.cli import install
from benchmarks.measure import (
    Figure,
    Values,
    default_folder,
    fresh_folder,
    machine,
    note,
    ours,
    report,
)
from benchmarks.trackers import (
    QUESTIONS,
    Tracker,
    fill_backlog,
    fill_ours,
    fill_taskwarrior,
    items,
    run,
)

FIGURES = (
    Figure(
        name="cli_vs_best_peer",
        meaning="create, list, ready, search, show: the slowest, against the faster peer's same",
        most=1,
    ),
    Figure(name="list_vs_empty", meaning="holdfast task list, against an empty holdfast", most=2),
    Figure(name="ready_ms", meaning="the top 50 of 1,000,000 ready tasks, warm, in ms", most=1),
    Figure(
        name="claim_faults",
        meaning="64 racers, 1,000 rounds: rounds without exactly one winner",
        most=0,
    ),
    Figure(name="memory_search_ms", meaning="search among 100,000 entries, p50 in ms", most=5),
    *(Figure(name=f"{each}_vs_best_peer", meaning=f"{each} alone") for each in QUESTIONS),
    *(
        Figure(name=f"{each}_{who}_ms", meaning=f"{who}: {each}")
        for each in QUESTIONS
        for who in ("ours", "taskwarrior", "backlog")
    ),
    Figure(name="empty_ms", meaning="holdfast without a command"),
)
_FILL_SECONDS = 3600
BACKLOG_ROUNDS = 2
"""It reads all its files for every command: seconds, so that more rounds would show nothing new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much is measured."""

    rounds: int = 15
    tasks: int = 10_000
    ready: int = 1_000_000
    races: int = 1000
    racers: int = 64
    entries: int = 100_000


QUICK = Amount(rounds=2, tasks=300, ready=2000, races=20, racers=16, entries=2000)


def measure(amount: Amount, folder: Path) -> Values:
    """Return every figure; those of peers that are not there are None."""
    values = commands(amount, folder)
    note("benchmarks: ready")
    values["ready_ms"] = ours("ready", folder, limit_seconds=_FILL_SECONDS, tasks=amount.ready)()[
        "p50_ms"
    ]
    note("benchmarks: claims")
    racing = ours("racing", folder, rounds=amount.races, racers=amount.racers)
    values["claim_faults"] = racing()["faults"]
    note("benchmarks: memory search")
    searching = ours("memory_search", folder, entries=amount.entries)
    values["memory_search_ms"] = searching()["memory_search_ms"]
    return values


def commands(amount: Amount, folder: Path) -> Values:
    """Fill the trackers, and ask them in turns."""
    with fresh_folder(folder) as fresh:
        note("benchmarks: installing the wheel")
        holdfast = str(install(fresh) / "holdfast")
        note(f"benchmarks: making {amount.tasks} tasks in each tracker")
        wanted = items(amount.tasks)
        places = {name: fresh / name for name in ("ours", "taskwarrior", "backlog")}
        for place in places.values():
            place.mkdir()
        found = {
            "ours": asyncio.run(fill_ours(places["ours"], wanted, holdfast)),
            "taskwarrior": fill_taskwarrior(places["taskwarrior"], wanted),
            "backlog": fill_backlog(places["backlog"], wanted),
        }
        trackers = {name: each for name, each in found.items() if each is not None}
        for name in found.keys() - trackers.keys():
            note(f"benchmarks: {name} is not there, so its figures are null")
        note("benchmarks: commands")
        return _figures(_ask(trackers, amount.rounds))


Times = Mapping[str, Sequence[float]]


def _ask(trackers: Mapping[str, Tracker], rounds: int) -> Times:
    """Return the milliseconds of each command of each tracker, by round."""
    asked = [(who, what) for who, each in trackers.items() for what in each.commands]
    asked.sort(key=lambda each: each[1])  # what is compared stands side by side
    times: dict[str, list[float]] = {f"{what}_{who}": [] for who, what in asked}
    for number in range(rounds + 1):
        for who, what in asked[:: -1 if number % 2 else 1]:
            if who == "backlog" and number > BACKLOG_ROUNDS:
                continue
            begin = time.perf_counter()
            run(trackers[who], trackers[who].commands[what])
            if number:  # the first round only warms the caches of the system
                times[f"{what}_{who}"].append((time.perf_counter() - begin) * 1000)
    return times


def _figures(times: Times) -> Values:
    values: Values = {f"{name}_ms": median(each) for name, each in times.items()}
    values["empty_ms"] = values.pop("empty_ours_ms")
    ratios: list[float] = []
    for what in QUESTIONS:
        peers = [
            times[name] for name in (f"{what}_taskwarrior", f"{what}_backlog") if name in times
        ]
        if peers:
            # The faster peer is the one with the better median; rounds are compared one by one.
            best = min(peers, key=median)
            rounds = zip(times[f"{what}_ours"], best, strict=False)
            ratios.append(median(mine / theirs for mine, theirs in rounds))
            values[f"{what}_vs_best_peer"] = ratios[-1]
    values["cli_vs_best_peer"] = max(ratios, default=None)
    pairs = zip(times["list_ours"], times["empty_ours"], strict=True)
    values["list_vs_empty"] = median(mine / empty for mine, empty in pairs)
    return values


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tasks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--quick", action="store_true", help="a smoke run of a minute")
    parser.add_argument("--commands", action="store_true", help="only the command line")
    arguments = parser.parse_args()
    amount = QUICK if arguments.quick else Amount()
    note(f"benchmarks: {machine()}")
    work = commands if arguments.commands else measure
    values = work(amount, default_folder())
    report(FIGURES, values, as_json=arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
