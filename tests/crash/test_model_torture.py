"""A million states of the journal, and as many of the store as there is time for."""

from __future__ import annotations

import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Literal

import pytest

from holdfast.testing.crash import Bounds, Exploration, explore
from holdfast.testing.crash.figures import CrashFigures
from holdfast.testing.crash.pending import Model
from tests.crash.embedded import ErasingProgram, JournalProgram, StoreProgram

Part = Literal["journal", "files store", "erasures in files"]


_MADE = {
    "journal": JournalProgram,
    "files store": StoreProgram,
    "erasures in files": ErasingProgram,
}


@dataclass(frozen=True)
class Task:
    """One exploration, as another process can be told of it."""

    part: Part
    model: Model
    seed: int
    per_cut: int
    lives: int
    program: tuple[tuple[str, int], ...]

    def run(self) -> Exploration:
        logging.disable()
        program = _MADE[self.part](**dict(self.program))
        bounds = Bounds(per_cut=self.per_cut, tears=200, seed=self.seed)
        return explore(program, program.read, model=self.model, bounds=bounds, lives=self.lives)


PROGRAMS = (
    {"openings": 3, "groups": 2},
    {"writers": 2, "groups": 3},
    {"lines": 3, "groups": 3},
    {"pad": 5000, "groups": 2},
)
"""One line a sync; two writers in turn; three lines a sync; lines of more than a page."""


MODELS: tuple[Model, ...] = ("ordered", "weak")


def tasks(
    part: Part, *, per_cut: int, lives: int, programs: tuple[dict[str, int], ...]
) -> list[Task]:
    return [
        Task(part, model, seed, per_cut, lives, tuple(program.items()))
        for model in MODELS
        for seed, program in enumerate(programs)
    ]


def explore_all(chosen: list[Task], figures: CrashFigures) -> int:
    """Explore with both cores; return how many states there were."""
    states = 0
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        for task, found in zip(chosen, pool.map(Task.run, chosen), strict=True):
            figures.add(f"model of power cuts, {task.part}, {task.model}", found.figures())
            found.require_clean()
            states += found.states
    return states


@pytest.mark.torture
def test_the_journal_survives_a_million_states(crash_figures: CrashFigures) -> None:
    chosen = tasks("journal", per_cut=4000, lives=115, programs=PROGRAMS)
    assert explore_all(chosen, crash_figures) >= 1_000_000


@pytest.mark.torture
def test_the_files_store_survives_many_states(crash_figures: CrashFigures) -> None:
    programs = ({"openings": 2, "writes": 3}, {"writes": 4})
    chosen = tasks("files store", per_cut=300, lives=10, programs=programs)
    assert explore_all(chosen, crash_figures) >= 30_000


@pytest.mark.torture
def test_erasures_survive_many_states(crash_figures: CrashFigures) -> None:
    programs = ({"turns": 3}, {"turns": 6})
    chosen = tasks("erasures in files", per_cut=300, lives=8, programs=programs)
    assert explore_all(chosen, crash_figures) >= 10_000
