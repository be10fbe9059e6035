"""Compare ways to choose a model on public data: `python -m benchmarks.quality PATH [--json]`.

PATH is a checkout of lm-sys/RouteLLM or its folder `routellm/evals`; the data is not ours and not
in this repository. Every router is tried on prompts that it was not taught on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random

from benchmarks.measure import Figure, Values, machine, note, report
from benchmarks.ours.quality_curves import Marks, Scored, mark
from benchmarks.ours.quality_data import Row, read_folder
from benchmarks.ours.quality_routers import LEARNERS, ROUTERS, try_elsewhere, try_in_folds
from holdfast.errors import UsageError

FIGURES = (
    Figure(name="mmlu_apgr", meaning="MMLU, neighbours, from the prompt alone: APGR", least=0.70),
    Figure(name="gsm8k_apgr", meaning="GSM8K, cascade, weak call charged: APGR", least=0.68),
    Figure(name="mmlu_cpt80", meaning="MMLU, neighbours: strong calls for 80 %", most=0.5),
    Figure(name="gsm8k_cpt80", meaning="GSM8K, cascade, weak call charged: the same", most=0.5),
    Figure(name="mmlu_length_apgr", meaning="MMLU, length of the prompt alone: APGR"),
    Figure(name="gsm8k_length_apgr", meaning="GSM8K, length of the prompt alone: APGR"),
)
OURS = {"mmlu": "neighbours", "gsm8k": "cascade"}
WEAK_COST = 0.0097
"""A weak call's cost as a share of a strong one's: 0.24 to 24.7 dollars for a million tokens, as
the RouteLLM paper has it."""
Marked = dict[tuple[str, str], Marks]


def measure(data: Mapping[str, list[Row]], rounds: int, weak_cost: float) -> Marked:
    """Return what each router reached, by data set and name."""
    marked: Marked = {}

    def keep(data_set: str, name: str, scored: Sequence[Scored]) -> None:
        charge = weak_cost if name == "cascade" else 0.0
        marked[data_set, name] = mark(scored, Random(1), rounds, charge)
        note(f"{data_set}: {name} done")

    for data_set, rows in data.items():
        for name, teach in ROUTERS.items():
            if name == "cascade" and any(row.answer is None for row in rows):
                continue
            if name == "subject" and len({row.subject for row in rows}) < 2:
                continue
            keep(data_set, name, try_in_folds(rows, teach))
        for other in data.keys() - {data_set}:
            for name in LEARNERS:
                scored = try_elsewhere(data[other], rows, ROUTERS[name])
                keep(data_set, f"{name}, taught on {other}", scored)
    return marked


def table(marked: Marked) -> str:
    """Return a line of headings and one for each router."""
    names = f"{'data':6} {'router':28} {'APGR':>5}  {'95 %':13} {'CPT50':>6} {'CPT80':>6}"
    lines = [f"{names}  threshold chosen elsewhere for 80 %"]
    for (data_set, name), it in marked.items():
        lines.append(
            f"{data_set:6} {name:28} {it.apgr:5.3f}  {it.low:5.3f}..{it.high:5.3f}  "
            f"{_percent(it.cpt50)} {_percent(it.cpt80)}  "
            f"{it.chosen_gap:.0%} of the gap for {it.chosen_calls:.0%} strong calls"
        )
    return "\n".join(lines)


def values_of(marked: Marked) -> Values:
    """Return the figures that have names; None for a data set that was not there."""
    found: Values = {}
    for data_set, name in OURS.items():
        ours, length = marked.get((data_set, name)), marked.get((data_set, "length"))
        found[f"{data_set}_apgr"] = ours.apgr if ours else None
        found[f"{data_set}_cpt80"] = ours.cpt80 if ours else None
        found[f"{data_set}_length_apgr"] = length.apgr if length else None
    return found


def sample(rows: Sequence[Row], most: int) -> list[Row]:
    """Return at most so many rows in an order that is shuffled, but always the same."""
    shuffled = list(rows)
    Random(1).shuffle(shuffled)
    return shuffled[:most] if most else shuffled


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code: 2 for a folder that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("path", type=Path, help="a checkout of lm-sys/RouteLLM, or its evals")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", type=int, default=0, help="at most so many a data set; 0: all")
    parser.add_argument("--rounds", type=int, default=200, help="resamples of the bootstrap")
    parser.add_argument("--weak-cost", type=float, default=WEAK_COST, help="of a strong call")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.rows < 0 or not 0 <= options.weak_cost < 1:
        parser.error("--rounds is at least 1, --rows at least 0, --weak-cost from 0 to below 1")
    try:
        found = read_folder(options.path)
    except UsageError as error:
        print(f"error: {error}\nhint: {error.hint}", file=sys.stderr)
        return 2
    data = {name: sample(rows, options.rows) for name, rows in found.items()}
    note(machine())
    note(", ".join(f"{name}: {len(rows)} prompts" for name, rows in data.items()))
    marked = measure(data, options.rounds, options.weak_cost)
    print(table(marked), file=sys.stderr if options.json else sys.stdout)
    routers = {f"{data_set}: {name}": asdict(it) for (data_set, name), it in marked.items()}
    report(FIGURES, values_of(marked), as_json=options.json, more={"routers": routers})
    return 0


def _percent(share: float | None) -> str:
    return "     -" if share is None else f"{share:6.1%}"


if __name__ == "__main__":
    sys.exit(main())
