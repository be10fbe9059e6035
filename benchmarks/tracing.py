"""Measure tracing beside OpenTelemetry's SDK, Phoenix and MLflow: `python -m benchmarks.tracing [--json] [--quick]`.

What a span costs is measured in one process with the SDK. The two servers have environments of their own
(`./dev bench tracing` makes them); where they are not there, their figures are null.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import (
    Figure,
    Results,
    Values,
    default_folder,
    interleave,
    machine,
    middle,
    middle_ratio,
    note,
    ours,
    report,
)
from benchmarks.trace_servers import MLFLOW, PHOENIX, Server, is_there, measured

FIGURES = (
    Figure(name="otel_vs_span", meaning="a span with journal: the SDK's CPU over ours", least=8),
    Figure(name="span_vs_bare", meaning="the same, ours over a bare append", most=4),
    Figure(name="kill_lost", meaning="finished spans lost by random kills", most=0),
    Figure(name="kill_unnamed", meaning="open spans not named after them", most=0),
    Figure(name="burst_lost", meaning="of a million spans in a tight loop, lost", most=0),
    Figure(name="ingest_per_s", meaning="OTLP spans a second, one core, until seen", least=15_000),
    Figure(name="ingest_vs_phoenix", meaning="the same over Phoenix", least=20),
    Figure(name="ingest_vs_mlflow", meaning="the same over MLflow", least=20),
    Figure(name="ingest_mib", meaning="memory of the server after it, MiB", most=150),
    Figure(name="quantile_ms", meaning="percentiles by name of a million, sketch, ms", most=5),
    Figure(name="quantile_exact_ms", meaning="the same, exact, ms", most=100),
    Figure(name="load_ms", meaning="load a trace of 1,000 spans, ms", most=3),
    Figure(name="bytes_per_span", meaning="bytes a span without payload", most=200),
    Figure(name="payload_ratio", meaning="200 turns of an agent, kept over raw", most=0.02),
    Figure(name="payload_cut", meaning="bytes of it that do not come back", most=0),
    Figure(name="critical_path_ms", meaning="critical path of 10,000 spans, ms", most=15),
    Figure(name="fault_first", meaning="injected faults whose span is named first", least=0.9),
    Figure(name="visible_ms", meaning="from the last answer until it is seen, ms"),
    Figure(name="add_per_s", meaning="spans a second into the store"),
    Figure(name="settle_per_s", meaning="spans a second settled"),
    Figure(name="slowest_ms", meaning="the ten slowest of a name, ms"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much is measured."""

    kills: int = 1000
    burst: int = 1_000_000
    rounds: int = 3
    ingest: int = 40_000
    peers: int = 2_000
    traces: int = 1000
    turns: int = 200


QUICK = Amount(kills=10, burst=20_000, rounds=1, ingest=4096, peers=512, traces=20, turns=20)


def measure(amount: Amount, folder: Path) -> Values:
    """Return every figure; those of peers that are not there are None."""
    values: Values = {}
    steps: list[tuple[str, Mapping[str, object]]] = [
        ("spans", {}),
        ("trace_store", {"traces": amount.traces, "spans": 1000}),
        ("payloads", {"turns": amount.turns}),
        ("critical_path", {}),
        ("faults", {}),
        ("span_burst", {"spans": amount.burst}),
    ]
    for script, options in steps:
        values |= _script(script, folder, options)
    values |= _told(_ingest(amount, folder))
    return values | _script("span_kills", folder, {"kills": amount.kills})


def _script(script: str, folder: Path, options: Mapping[str, object]) -> Mapping[str, float | None]:
    note(f"benchmarks: {script}")
    return _told(ours(script, folder, limit_seconds=3600, **options)())


def _told(values: Mapping[str, float | None]) -> Mapping[str, float | None]:
    """Tell figures as soon as they are known: what fails later must not take them along."""
    note(json.dumps(values))
    return values


def _ingest(amount: Amount, folder: Path) -> Values:
    """Return what we and the peers take in, in alternating rounds."""
    note("benchmarks: ingest")
    contenders = {"ours": ours("ingest", folder, spans=amount.ingest)}
    for server in (PHOENIX, MLFLOW):
        if is_there(server):
            contenders[server.name] = lambda s=server: _tried(s, folder, amount.peers)
        else:
            note(
                f"benchmarks: no {server.name}, so its figure is null; `./dev bench tracing` makes it"
            )
    rounds = interleave(contenders, amount.rounds)
    mine = ("ours", "ingest_per_s")
    return {
        **{
            name: middle(rounds, "ours", name)
            for name in ("ingest_per_s", "ingest_mib", "visible_ms")
        },
        "ingest_vs_phoenix": middle_ratio(rounds, mine, [("phoenix", "ingest_per_s")]),
        "ingest_vs_mlflow": middle_ratio(rounds, mine, [("mlflow", "ingest_per_s")]),
    }


def _tried(server: Server, folder: Path, spans: int) -> Results:
    """Return what a peer takes in; of one that fails nothing, which is told, and that round has no ratio."""
    try:
        return measured(server, folder, spans)
    except (RuntimeError, OSError) as error:
        note(f"benchmarks: {server.name} failed: {error}")
        return {}


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description="Measure tracing.")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object in the last line"
    )
    parser.add_argument("--quick", action="store_true", help="little of everything, to try it out")
    parser.add_argument(
        "--folder", type=Path, default=default_folder(), help="where stores are made"
    )
    arguments = parser.parse_args()
    values = measure(QUICK if arguments.quick else Amount(), arguments.folder)
    report(FIGURES, values, as_json=arguments.json, more={"machine": machine()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
