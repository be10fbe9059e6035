"""Measure the backends of the storage: `python -m benchmarks.storage [--json] [--quick]`.

Contenders take turns on the same disk; ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import storage_history, storage_servers
from benchmarks.measure import (
    Figure,
    Results,
    Values,
    default_folder,
    fresh_folder,
    interleave,
    machine,
    middle,
    middle_ratio,
    note,
    ours,
    report,
)
from benchmarks.ours.writers import BARE, race
from benchmarks.storage_servers import MANY, SERVERS, Found

FIGURES = (
    Figure(
        name="files_commit_vs_raw",
        meaning="one durable commit of 640 bytes against a raw append and fdatasync, p50",
        most=1.25,
    ),
    Figure(
        name="files_group_gain",
        meaning="files: durable commits/s of 64 tasks against one at a time",
        least=20,
    ),
    Figure(
        name="files_procs_vs_sqlite",
        meaning="16 processes, commits/s against a bare SQLite script (WAL, FULL)",
        least=20,
    ),
    Figure(
        name="files_fairness", meaning="16 processes: slowest writer against fastest", least=0.5
    ),
    Figure(
        name="sqlite_group_gain",
        meaning="sqlite: durable commits/s of 128 tasks against one at a time",
        least=20,
    ),
    Figure(
        name="get_growth",
        meaning="get at 1,000,000 records against 1,000, worst embedded backend, p50",
        most=2.5,
    ),
    Figure(
        name="due_ms",
        meaning="files: claim at 1,000,000 records, or finding nothing due, p50 in ms",
        most=1,
    ),
    Figure(
        name="open_ms",
        meaning="files: open after a SIGKILL at 1,000,000 records until the first get, p50",
        most=100,
    ),
    Figure(name="get_round_trips", meaning="round trips of one get, worst backend", most=1),
    Figure(name="get_writes", meaning="writes of one get, worst backend", most=0),
    Figure(name="files_commit_p50_us", meaning="files: one durable commit"),
    Figure(name="sqlite_commit_p50_us", meaning="sqlite: one durable commit"),
    Figure(name="raw_commit_p50_us", meaning="raw append and fdatasync, a file that grows"),
    Figure(name="raw_preallocated_p50_us", meaning="the same in a file made by posix_fallocate"),
    Figure(name="files_commit_vs_preallocated", meaning="files against that, p50"),
    Figure(name="files_commit_vs_raw_p10", meaning="files against raw, p10 of both"),
    Figure(name="thread_commit_p50_us", meaning="preallocated, in a thread that a task waits for"),
    Figure(
        name="thread_commit_vs_raw", meaning="that against raw: what the change of threads costs"
    ),
    Figure(name="sqlite_commit_vs_raw", meaning="sqlite against raw append and fdatasync, p50"),
    Figure(name="files_one_per_s", meaning="files: durable commits/s, one task"),
    Figure(name="files_64_tasks_per_s", meaning="files: durable commits/s, 64 tasks"),
    Figure(name="sqlite_one_per_s", meaning="sqlite: durable commits/s, one task"),
    Figure(name="sqlite_128_tasks_per_s", meaning="sqlite: durable commits/s, 128 tasks"),
    Figure(name="files_procs_vs_our_sqlite", meaning="16 processes, against our sqlite backend"),
    Figure(name="files_procs_per_s", meaning="files: commits/s of 16 processes"),
    Figure(name="bare_procs_per_s", meaning="bare SQLite: commits/s of 16 processes"),
    Figure(name="sqlite_procs_per_s", meaning="sqlite: commits/s of 16 processes"),
    Figure(name="files_procs_p99_ms", meaning="files: p99 of a commit, 16 processes"),
    Figure(name="bare_procs_p99_ms", meaning="bare SQLite: p99 of a commit, 16 processes"),
    Figure(name="sqlite_procs_p99_ms", meaning="sqlite: p99 of a commit, 16 processes"),
    Figure(name="bare_fairness", meaning="bare SQLite: slowest writer against fastest"),
    Figure(name="sqlite_fairness", meaning="sqlite: slowest writer against fastest"),
    Figure(name="memory_get_growth", meaning="memory: get at 1,000,000 records against 1,000"),
    Figure(name="sqlite_get_growth", meaning="sqlite: get at 1,000,000 records against 1,000"),
    Figure(name="files_get_growth", meaning="files: get at 1,000,000 records against 1,000"),
    Figure(name="memory_get_us", meaning="memory: get at 1,000,000 records, p50"),
    Figure(name="sqlite_get_us", meaning="sqlite: get at 1,000,000 records, p50"),
    Figure(name="files_get_us", meaning="files: get at 1,000,000 records, p50"),
    Figure(name="due_first_ms", meaning="files: the first fifth of the claims in a row"),
    Figure(name="due_last_ms", meaning="files: the last fifth of them"),
    Figure(name="due_nothing_ms", meaning="files: claim where nothing is due"),
    Figure(name="open_worst_ms", meaning="the slowest of the openings after a crash"),
    Figure(name="open_clean_ms", meaning="opening after a close"),
    Figure(name="open_import_ms", meaning="importing the backend, not part of the openings"),
    Figure(name="open_read_again", meaning="changes read again when opened after a crash, p50"),
    Figure(name="open_read_again_worst", meaning="the most of them"),
    Figure(name="rebuild_s", meaning="files: opening without an index, 1,000,000 records, in s"),
    Figure(name="files_fill_s", meaning="files: writing 1,000,000 records, 500 a batch, in s"),
    Figure(name="sqlite_fill_s", meaning="sqlite: the same, at the same time, in s"),
)
EMBEDDED = ("memory", "sqlite", "files")
TASKS = {"files": 64, "sqlite": 128}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured, and where."""

    folder: Path
    rounds: int = 5
    commits: int = 500
    seconds: float = 1.0
    writers: int = 16
    race_rounds: int = 3
    race_seconds: float = 3.0
    records: int = 1_000_000
    gets: int = 5000
    claims: int = 1000
    kills: tuple[int, ...] = (2_000, 5_500, 8_000, 11_000, 14_500, 18_000, 23_000)
    servers: tuple[str, ...] = SERVERS


def quick(folder: Path) -> Plan:
    """Return a plan that only shows that everything works, in seconds."""
    return Plan(
        folder=folder, rounds=1, commits=50, seconds=0.1, writers=3, race_rounds=1,
        race_seconds=0.2, records=8000, gets=200, claims=50, kills=(500,), servers=("redis",),
    )  # fmt: skip


def measure(plan: Plan) -> tuple[Values, Mapping[str, object]]:
    """Return every figure, and what is not a single number."""
    values: Values = {}
    for part in (_commits, _groups, _processes):
        note(f"benchmarks: {part.__name__.strip('_')}")
        values |= part(plan)
    values |= storage_history.measure(
        plan.folder, records=plan.records, gets=plan.gets, claims=plan.claims, kills=plan.kills
    )
    note("benchmarks: round trips")
    found = asyncio.run(storage_servers.measure(plan.folder, plan.servers, plan.seconds))
    values["get_round_trips"] = max(each.trips for each in found.values())
    values["get_writes"] = max(each.writes for each in found.values())
    return values, {
        "get_round_trips_backends": list(found),
        "get_round_trips_each": {name: each.trips for name, each in found.items()},
        "commits_per_second": _commits_per_second(plan, found),
    }


def _commits(plan: Plan) -> Values:
    measured = [ours("commits", plan.folder, commits=plan.commits)() for _ in range(plan.rounds)]

    def ratio(name: str, other: str, at: str = "p50") -> float:
        return median(each[f"{name}_{at}"] / each[f"{other}_{at}"] for each in measured)

    def middle_us(name: str) -> float:
        return median(each[f"{name}_p50"] for each in measured)

    return {
        "files_commit_vs_raw": ratio("files", "raw"),
        "files_commit_vs_raw_p10": ratio("files", "raw", "p10"),
        "files_commit_vs_preallocated": ratio("files", "preallocated"),
        "thread_commit_vs_raw": ratio("thread", "raw"),
        "sqlite_commit_vs_raw": ratio("sqlite", "raw"),
        "files_commit_p50_us": middle_us("files"),
        "sqlite_commit_p50_us": middle_us("sqlite"),
        "raw_commit_p50_us": middle_us("raw"),
        "raw_preallocated_p50_us": middle_us("preallocated"),
        "thread_commit_p50_us": middle_us("thread"),
    }


def _groups(plan: Plan) -> Values:
    values: Values = {}
    rounds = [
        {backend: _rates(plan, backend, tasks, number) for backend, tasks in TASKS.items()}
        for number in range(plan.rounds)
    ]
    for backend, tasks in TASKS.items():
        values[f"{backend}_group_gain"] = middle_ratio(
            rounds, (backend, "many"), [(backend, "one")]
        )
        values[f"{backend}_one_per_s"] = middle(rounds, backend, "one")
        values[f"{backend}_{tasks}_tasks_per_s"] = middle(rounds, backend, "many")
    return values


def _rates(plan: Plan, backend: str, callers: int, number: int) -> Results:
    """Return the rates of one caller and of many; every other round measures these first."""
    return ours(
        "rates", plan.folder, backend=backend, callers=callers, seconds=plan.seconds,
        backwards=number % 2 == 1,
    )()  # fmt: skip


def _processes(plan: Plan) -> Values:
    def in_fresh_folder(contender: str) -> Results:
        with fresh_folder(plan.folder) as folder:
            return race(contender, folder, plan.writers, plan.race_seconds)

    contenders = ("files", BARE, "sqlite")
    rounds = interleave(
        {name: partial(in_fresh_folder, name) for name in contenders}, plan.race_rounds
    )
    values: Values = {
        "files_procs_vs_sqlite": middle_ratio(rounds, ("files", "rate"), [(BARE, "rate")]),
        "files_procs_vs_our_sqlite": middle_ratio(rounds, ("files", "rate"), [("sqlite", "rate")]),
    }
    for name in contenders:
        values[f"{name}_fairness"] = middle(rounds, name, "fairness")
        values[f"{name}_procs_per_s"] = middle(rounds, name, "rate")
        values[f"{name}_procs_p99_ms"] = middle(rounds, name, "p99_ms")
    return values


def _commits_per_second(
    plan: Plan, found: Mapping[str, Found]
) -> Mapping[str, tuple[float, float]]:
    """Return the rates of one caller and of many, of every backend."""
    rates: dict[str, tuple[float, float]] = {}
    for backend in EMBEDDED:
        each = _rates(plan, backend, MANY, 0)
        rates[backend] = each["one"], each["many"]
    rates |= {name: each.commits for name, each in found.items() if each.commits}
    return {name: (round(one), round(many)) for name, (one, many) in rates.items()}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storage", description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--quick", action="store_true", help="a smoke run of seconds")
    parser.add_argument(
        "--folder", type=Path, default=default_folder(), help="where stores are made (a real disk)"
    )
    arguments = parser.parse_args()
    plan = quick(arguments.folder) if arguments.quick else Plan(folder=arguments.folder)
    note(f"benchmarks: {machine()}")
    values, more = measure(plan)
    for name, value in more.items():
        note(f"{name}: {value}")
    report(FIGURES, values, as_json=arguments.json, more=more)
    return 0


if __name__ == "__main__":
    sys.exit(main())
