"""What all benchmarks share: figures with targets, fair rounds, children, and how to print."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
PEER_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
CHILD_SECONDS = 600

Results = Mapping[str, float]
Values = dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A named measurement; with `least` or `most` it has a target, else it is for information."""

    name: str
    meaning: str
    least: float | None = None
    most: float | None = None

    @property
    def target(self) -> str:
        """The target as text, empty for none."""
        if self.least is not None:
            return f">= {self.least:g}"
        return "" if self.most is None else f"<= {self.most:g}"

    def verdict(self, value: float | None) -> str:
        """Return `pass` or `short`, or nothing where there is no target."""
        if not self.target:
            return ""
        if value is None:
            return "not measured"
        good = value >= self.least if self.least is not None else value <= (self.most or 0)
        return "pass" if good else "short"


def table(figures: Sequence[Figure], values: Mapping[str, float | None]) -> str:
    """Return a line a figure: name, value, target, verdict, meaning."""
    rows = [("figure", "value", "target", "", "meaning")]
    for figure in figures:
        value = values.get(figure.name)
        rows.append(
            (
                figure.name,
                "-" if value is None else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}",
                figure.target,
                figure.verdict(value),
                figure.meaning,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].ljust(widths[2]),
                   row[3].ljust(widths[3]), row[4]]).rstrip()
        for row in rows
    )  # fmt: skip


def report(
    figures: Sequence[Figure],
    values: Values,
    *,
    as_json: bool,
    more: Mapping[str, object] | None = None,
) -> None:
    """Print the table; as JSON the table goes to stderr and the last line of stdout is JSON.

    `more` is what the JSON holds beside the figures.
    """
    print(table(figures, values), file=sys.stderr if as_json else sys.stdout)
    if as_json:
        rounded = {
            each.name: None if (value := values.get(each.name)) is None else float(f"{value:.5g}")
            for each in figures
        }
        print(json.dumps({**rounded, **(more or {})}))


def note(text: str) -> None:
    """Tell the onlooker how it goes, outside of the results."""
    print(text, file=sys.stderr, flush=True)


def machine() -> str:
    """Return what the figures were measured on, in one line."""
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, load {load}"
    )


def interleave(
    contenders: Mapping[str, Callable[[], Results]], rounds: int
) -> list[dict[str, Results]]:
    """Measure each contender once a round, so that a busy moment of the machine hits all.

    Every other round goes backwards, so that nobody always comes behind the same neighbour.
    """
    measured: list[dict[str, Results]] = []
    for number in range(rounds):
        order = list(contenders)[:: -1 if number % 2 else 1]
        measured.append({name: contenders[name]() for name in order})
    return measured


def middle(rounds: Sequence[Mapping[str, Results]], name: str, key: str) -> float | None:
    """Return the median of one contender's result, None if it did not take part."""
    found = [each[name][key] for each in rounds if name in each]
    return median(found) if found else None


def middle_ratio(
    rounds: Sequence[Mapping[str, Results]],
    ours: tuple[str, str],
    theirs: Sequence[tuple[str, str]],
) -> float | None:
    """Return the median, over the rounds, of our result divided by the largest of theirs."""
    ratios: list[float] = []
    for each in rounds:
        rivals = [each[name][key] for name, key in theirs if name in each and key in each[name]]
        if rivals:
            ratios.append(each[ours[0]][ours[1]] / max(rivals))
    return median(ratios) if ratios else None


def peers_are_there() -> bool:
    """Whether the peers are installed; says how to install them if not."""
    if PEER_PYTHON.exists():
        return True
    note("benchmarks: no peers in .venv-peers, so their figures are null; `./dev bench` makes it")
    return False


def ours(
    script: str, folder: Path, *, limit_seconds: float = CHILD_SECONDS, **options: object
) -> Callable[[], Results]:
    """Return how to measure ourselves with `benchmarks/ours/SCRIPT.py` in a fresh folder."""
    command = [sys.executable, "-m", f"benchmarks.ours.{script}"]
    return lambda: _child(command, folder, options, limit_seconds)


def peer(script: str, folder: Path, **options: object) -> Callable[[], Results]:
    """Return how to measure a peer with `benchmarks/peers/SCRIPT.py` in a fresh folder."""
    path = ROOT / "benchmarks" / "peers" / f"{script}.py"
    return lambda: _child([str(PEER_PYTHON), str(path)], folder, options, CHILD_SECONDS)


def _child(
    command: Sequence[str], folder: Path, options: Mapping[str, object], limit_seconds: float
) -> Results:
    """Run a program that prints one JSON object in its last line, and return that."""
    with fresh_folder(folder) as fresh:
        request = json.dumps({"folder": str(fresh), **options})
        done = subprocess.run(
            [*command, request], cwd=ROOT, env=plain_environment(), capture_output=True, text=True,
            timeout=limit_seconds, check=False,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def plain_environment() -> dict[str, str]:
    """Return the environment without what would change the behaviour of a contender."""
    foreign = ("HOLDFAST_", "DBOS_", "LANG", "PYTHON", "VIRTUAL_ENV", "COVERAGE")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


@contextmanager
def fresh_folder(parent: Path) -> Iterator[Path]:
    """Make an empty folder below `parent` and remove it again."""
    parent.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def default_folder() -> Path:
    """Return where stores are made: in the checkout, because /tmp may be no disk at all."""
    return ROOT / ".cache" / "benchmarks"
