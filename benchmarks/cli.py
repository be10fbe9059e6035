"""Measure the command line as it is installed: `python -m benchmarks.cli [--json] [--quick]`.

The wheel is built and installed, with bytecode, into an environment of its own. Each command is
run in turns with `python -c pass`; what counts is the wall time above that.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import (
    ROOT,
    Figure,
    Values,
    default_folder,
    fresh_folder,
    machine,
    note,
    plain_environment,
    report,
)
from benchmarks.workflows import PAGES, large

FIGURES = (
    Figure(name="help_ms", meaning="holdfast --help", most=60),
    Figure(name="list_ms", meaning="holdfast list, in a store with 1,000 runs", most=120),
    Figure(name="validate_ms", meaning="holdfast validate, of 1,000 nodes", most=500),
    Figure(name="list_all_ms", meaning="holdfast list --all, of 1,000 runs"),
    Figure(name="show_ms", meaning="holdfast show, of a run with 20 steps"),
    Figure(name="pass_ms", meaning="python -c pass, which is taken off the others"),
)
UV = Path(sys.executable).with_name("uv")
Commands = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much is measured."""

    rounds: int = 21
    runs: int = 1000
    nodes: int = 1000


def install(folder: Path) -> Path:
    """Build the wheel, install it with what is locked, and return the folder of its programs."""
    environment = folder / "venv"
    python = environment / "bin" / "python"
    wheels = folder / "wheels"
    build = ("build", "--wheel", "--no-build-isolation", "--python", sys.executable)
    _uv(*build, "--out-dir", str(wheels), str(ROOT))
    _uv("venv", "--python", sys.executable, str(environment))
    into = ("pip", "install", "--python", str(python), "--compile-bytecode", "--no-deps")
    _uv(*into, "--require-hashes", "--requirement", str(ROOT / "requirements.lock"))
    _uv(*into, *map(str, wheels.glob("*.whl")))
    return python.parent


def _uv(*arguments: str) -> None:
    done = subprocess.run(
        [str(UV), *arguments], env=plain_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"uv {' '.join(arguments)} failed:\n{done.stderr[-4000:]}")


async def fill(folder: Path, runs: int) -> str:
    """Make a project with so many runs, some of them waiting; return the id of one with steps."""
    from benchmarks.ours.runtime import opened, start_text
    from benchmarks.workflows import APPROVAL, loop

    async with opened(folder) as runtime:
        for number in range(runs - 1):
            text = APPROVAL if number % 20 == 0 else loop("noop", 3)
            inputs = {"number": number} if number % 20 == 0 else {}
            run_id = await start_text(runtime, text, **inputs)
            if number % 50 == 49:
                await runtime.engine.settle(run_id)
        shown = await start_text(runtime, loop("kilobyte", 20))
        await runtime.engine.settle(shown)
        while runtime.engine.active_runs:
            await runtime.engine.settle(runtime.engine.active_runs[0])
        return shown


def commands(programs: Path, project: Path, nodes: int, shown: str) -> Commands:
    """Return the commands to measure, by the names of their figures."""
    holdfast, store = str(programs / "holdfast"), f"files:{project}"
    file = project / "large.yaml"
    file.write_text(large(nodes), encoding="utf-8")
    (project / "pages.py").write_text(PAGES, encoding="utf-8")
    return {
        "pass_ms": [str(programs / "python"), "-c", "pass"],
        "help_ms": [holdfast, "--help"],
        "list_ms": [holdfast, "list", "--store", store],
        "list_all_ms": [holdfast, "list", "--all", "--store", store],
        "validate_ms": [holdfast, "validate", str(file)],
        "show_ms": [holdfast, "show", shown[:12], "--store", store],
    }


def milliseconds(command: Sequence[str], folder: Path) -> float:
    """Return the wall time of a command that must succeed."""
    begin = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=plain_environment(), capture_output=True, text=True, check=False
    )
    took = (time.perf_counter() - begin) * 1000
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return took


def measure(all_commands: Commands, folder: Path, rounds: int) -> Values:
    """Return the median of each command above the empty program of the same round."""
    times: dict[str, list[float]] = {name: [] for name in all_commands}
    for number in range(rounds + 1):
        for name in list(all_commands)[:: -1 if number % 2 else 1]:
            took = milliseconds(all_commands[name], folder)
            if number:  # the first round only warms the caches of the system
                times[name].append(took)
    empty = times["pass_ms"]
    above = {
        name: median(one - none for one, none in zip(each, empty, strict=True))
        for name, each in times.items()
    }
    return {**above, "pass_ms": median(empty)}


def explain(all_commands: Commands, values: Values, folder: Path) -> None:
    """Print the dearest imports of every command that is short of its target."""
    for figure in FIGURES:
        if figure.verdict(values[figure.name]) != "short":
            continue
        program, *rest = all_commands[figure.name]
        python = str(Path(program).with_name("python"))
        done = subprocess.run(
            [python, "-X", "importtime", program, *rest],
            cwd=folder, env=plain_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        rows = [line.split("|") for line in done.stderr.splitlines() if line.count("|") == 2]
        dearest = sorted(rows[1:], key=lambda row: -int(row[1]))[:15]
        note(f"\n{figure.name}: the dearest imports, in microseconds with all that they import")
        for row in dearest:
            note(f"{int(row[1]):10,}  {row[2].rstrip()}")


def main() -> int:
    """Install, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cli", description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--quick", action="store_true", help="a smoke run of seconds")
    arguments = parser.parse_args()
    amount = Amount(rounds=2, runs=40, nodes=80) if arguments.quick else Amount()
    note(f"benchmarks: {machine()}")
    with fresh_folder(default_folder()) as folder:
        project = folder / "project"
        project.mkdir()
        note("benchmarks: installing the wheel")
        programs = install(folder)
        note(f"benchmarks: making {amount.runs} runs")
        shown = asyncio.run(fill(project, amount.runs))
        all_commands = commands(programs, project, amount.nodes, shown)
        note(f"benchmarks: {', '.join(all_commands)}")
        values = measure(all_commands, project, amount.rounds)
        explain(all_commands, values, project)
    report(FIGURES, values, as_json=arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
