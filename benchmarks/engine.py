"""Measure the engine beside LangGraph and DBOS: `python -m benchmarks.engine [--json] [--quick]`.

Every contender runs in processes of its own, in turns, each in a fresh folder on the same disk.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import workflows
from benchmarks.measure import (
    Figure,
    Values,
    default_folder,
    interleave,
    machine,
    middle,
    middle_ratio,
    note,
    ours,
    peer,
    peers_are_there,
    report,
)

FIGURES = (
    Figure(
        name="serial_vs_best_peer",
        meaning="durable no-op steps/s, one run, against the better of LangGraph and DBOS on SQLite",
        least=4,
    ),
    Figure(name="concurrent_vs_best_peer", meaning="the same with 40 runs at once", least=30),
    Figure(
        name="graph_vs_langgraph",
        meaning="time of 1,000 no-op nodes without durability, against LangGraph",
        most=0.1,
    ),
    Figure(
        name="critical_path_ratio",
        meaning="8 branches of 4 uneven nodes: time against the longest path",
        most=1.05,
    ),
    Figure(
        name="waiting_run_kib", meaning="memory of a run that waits for a person, in KiB", most=25
    ),
    Figure(
        name="loop_storage_mib",
        meaning="store after 200 turns that add 1 KB of state each, in MiB",
        most=1.5,
    ),
    Figure(name="critical_path_ratio_langgraph", meaning="the same graph in LangGraph"),
    Figure(name="loop_storage_langgraph_mib", meaning="the same loop in LangGraph"),
    Figure(name="waiting_run_disk_kib", meaning="store of a run that waits for a person, in KiB"),
    Figure(name="serial_steps_per_s", meaning="ours: durable no-op steps/s, one run"),
    Figure(name="serial_langgraph_sync_per_s", meaning="LangGraph, invoke"),
    Figure(name="serial_langgraph_async_per_s", meaning="LangGraph, ainvoke"),
    Figure(name="serial_dbos_sync_per_s", meaning="DBOS, plain functions"),
    Figure(name="serial_dbos_async_per_s", meaning="DBOS, coroutines"),
    Figure(
        name="serial_vs_best_async_peer", meaning="serial against the peers' coroutine faces only"
    ),
    Figure(name="concurrent_vs_best_async_peer", meaning="the same with 40 runs at once"),
    Figure(
        name="serial_vs_raw_sqlite", meaning="serial against bare SQLite commits of the same size"
    ),
    Figure(name="workflow_steps_per_s", meaning="ours: a workflow file that loops, steps/s"),
    Figure(name="concurrent_steps_per_s", meaning="ours: steps/s of 40 runs at once"),
    Figure(
        name="concurrent_vs_floor",
        meaning="the same against a loop that only encodes, chains and syncs steps",
    ),
    Figure(name="floor_vs_best_peer", meaning="what that loop reaches against the peers"),
    Figure(name="concurrent_langgraph_sync_per_s", meaning="LangGraph, invoke in 40 threads"),
    Figure(name="concurrent_langgraph_async_per_s", meaning="LangGraph, ainvoke, 40 at once"),
    Figure(name="concurrent_dbos_sync_per_s", meaning="DBOS, plain functions, 40 at once"),
    Figure(name="concurrent_dbos_async_per_s", meaning="DBOS, coroutines, 40 at once"),
    Figure(name="graph_ms", meaning="ours: 1,000 no-op nodes without durability, in ms"),
    Figure(name="replay_steps_per_s", meaning="remembered steps/s when a run is taken up again"),
    Figure(
        name="orphan_pickup_ms", meaning="opening an engine until a killed process's run goes on"
    ),
)
STEP_BYTES = 176
"""What a no-op step of ours adds to the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured, where, and whether beside the peers."""

    folder: Path
    with_peers: bool
    rounds: int = 5
    steps: int = 1000
    runs: int = 40
    nodes: int = 1000
    waiting: int = 1000
    turns: int = 200
    replayed: int = 2000


def quick(folder: Path) -> Plan:
    """Return a plan that only shows that everything works, in seconds."""
    return Plan(
        folder=folder, with_peers=False, rounds=1, steps=100, runs=8, waiting=40, turns=20,
        replayed=100,
    )  # fmt: skip


def measure(plan: Plan) -> Values:
    """Return every figure; those of peers that are not there are None."""
    values: Values = {}
    for part in (_steps, _graph, _branches, _growth, _waiting, _replay, _pickup):
        note(f"benchmarks: {part.__name__.strip('_')}")
        values |= part(plan)
    return values


def _steps(plan: Plan) -> Values:
    amount = {"steps": plan.steps, "runs": plan.runs}
    contenders = {
        "ours": ours("steps", plan.folder, **amount),
        "raw": ours("raw_sqlite", plan.folder, steps=plan.steps, size=STEP_BYTES),
        "floor": ours("floor", plan.folder, **amount),
    }
    if plan.with_peers:
        contenders["langgraph"] = peer("langgraph_steps", plan.folder, **amount)
        contenders["dbos"] = peer("dbos_steps", plan.folder, **amount)
    rounds = interleave(contenders, plan.rounds)
    coroutines = [("langgraph", "serial_async"), ("dbos", "serial_async")]
    serial = [*coroutines, ("langgraph", "serial_sync"), ("dbos", "serial_sync")]
    at_once = [(name, key.replace("serial", "concurrent")) for name, key in serial]
    ours_serial, ours_at_once = ("ours", "serial"), ("ours", "concurrent")
    found = {
        f"{key.replace('_', f'_{name}_')}_per_s": middle(rounds, name, key)
        for name, key in (*serial, *at_once)
    }
    return {
        **found,
        "serial_vs_best_peer": middle_ratio(rounds, ours_serial, serial),
        "serial_vs_best_async_peer": middle_ratio(rounds, ours_serial, coroutines),
        "concurrent_vs_best_peer": middle_ratio(rounds, ours_at_once, at_once),
        "concurrent_vs_best_async_peer": middle_ratio(rounds, ours_at_once, at_once[:2]),
        "concurrent_vs_floor": middle_ratio(rounds, ours_at_once, [("floor", "concurrent")]),
        "floor_vs_best_peer": middle_ratio(rounds, ("floor", "concurrent"), at_once),
        "serial_vs_raw_sqlite": middle_ratio(rounds, ours_serial, [("raw", "serial")]),
        "serial_steps_per_s": middle(rounds, "ours", "serial"),
        "workflow_steps_per_s": middle(rounds, "ours", "workflow"),
        "concurrent_steps_per_s": middle(rounds, "ours", "concurrent"),
    }


def _graph(plan: Plan) -> Values:
    contenders = {"ours": ours("graph", plan.folder, nodes=plan.nodes)}
    if plan.with_peers:
        contenders["langgraph"] = peer("langgraph_graph", plan.folder, nodes=plan.nodes)
    rounds = interleave(contenders, plan.rounds)
    seconds = middle(rounds, "ours", "seconds")
    return {
        "graph_vs_langgraph": middle_ratio(rounds, ("ours", "seconds"), [("langgraph", "seconds")]),
        "graph_ms": None if seconds is None else seconds * 1000,
    }


def _branches(plan: Plan) -> Values:
    contenders = {"ours": ours("branches", plan.folder)}
    if plan.with_peers:
        splits = [
            [workflows.seconds_of(branch, position) for position in range(workflows.NODES)]
            for branch in range(workflows.BRANCHES)
        ]
        contenders["langgraph"] = peer("langgraph_branches", plan.folder, splits=splits)
    rounds = interleave(contenders, plan.rounds)
    return {
        "critical_path_ratio": middle(rounds, "ours", "seconds"),  # the longest path takes 1 s
        "critical_path_ratio_langgraph": middle(rounds, "langgraph", "seconds"),
    }


def _growth(plan: Plan) -> Values:
    contenders = {"ours": ours("growth", plan.folder, turns=plan.turns)}
    if plan.with_peers:
        contenders["langgraph"] = peer("langgraph_growth", plan.folder, turns=plan.turns)
    rounds = interleave(contenders, 1)  # the same in every round
    return {
        "loop_storage_mib": middle(rounds, "ours", "mib"),
        "loop_storage_langgraph_mib": middle(rounds, "langgraph", "mib"),
    }


def _waiting(plan: Plan) -> Values:
    rounds = interleave({"ours": ours("waiting", plan.folder, runs=plan.waiting)}, plan.rounds)
    return {
        "waiting_run_kib": middle(rounds, "ours", "memory_kib"),
        "waiting_run_disk_kib": middle(rounds, "ours", "disk_kib"),
    }


def _replay(plan: Plan) -> Values:
    rounds = interleave({"ours": ours("replay", plan.folder, steps=plan.replayed)}, plan.rounds)
    return {"replay_steps_per_s": middle(rounds, "ours", "steps_per_s")}


def _pickup(plan: Plan) -> Values:
    rounds = interleave({"ours": ours("pickup", plan.folder)}, plan.rounds)
    return {"orphan_pickup_ms": middle(rounds, "ours", "ms")}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--quick", action="store_true", help="a smoke run of seconds, no peers")
    parser.add_argument(
        "--folder", type=Path, default=default_folder(), help="where stores are made (a real disk)"
    )
    arguments = parser.parse_args()
    if arguments.quick:
        plan = quick(arguments.folder)
    else:
        plan = Plan(folder=arguments.folder, with_peers=peers_are_there())
    note(f"benchmarks: {machine()}")
    report(FIGURES, measure(plan), as_json=arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
