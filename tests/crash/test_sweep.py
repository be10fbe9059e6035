"""Every call to the disk breaks once, and nothing acknowledged is lost."""

from __future__ import annotations

import pytest

from holdfast.testing.crash import sweep
from holdfast.testing.crash.failing import How
from holdfast.testing.crash.figures import CrashFigures
from tests.crash import toys
from tests.crash.embedded import JournalProgram, StoreProgram
from tests.crash.test_model import commits

HOWS: tuple[How, ...] = ("EIO", "ENOSPC", "EROFS", "short", "kill")


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("toy", [toys.Replaced, toys.Journal, toys.RotatingJournal])
def test_nothing_is_found_in_a_right_store(toy: type[toys.Toy], how: How) -> None:
    found = sweep(commits(toy()), toy().read, how=how)
    found.require_clean()
    assert found.runs >= 5


@pytest.mark.parametrize(
    ("toy", "how"),
    [
        (toys.CarelessJournal, "short"),
        (toys.RetryingJournal, "EIO"),
        (toys.LazyJournal, "kill"),
        (toys.ReplacedUnsynced, "kill"),
    ],
)
def test_a_wrong_store_is_found(toy: type[toys.Toy], how: How) -> None:
    found = sweep(commits(toy()), toy().read, how=how)
    assert found.figures()["broken"] > 0
    with pytest.raises(AssertionError):
        found.require_clean()


def test_an_error_of_the_wrong_type_is_found() -> None:
    toy = toys.Journal()

    def rough(disk, ledger):
        try:
            commits(toy)(disk, ledger)
        except OSError as error:
            raise KeyError("what a user must never see") from error

    found = sweep(rough, toy.read, how="EIO")
    assert len(found.faults) >= found.runs
    assert "KeyError" in found.faults[0]


@pytest.mark.parametrize("how", HOWS)
def test_the_journal_survives_every_broken_call(how: How, crash_figures: CrashFigures) -> None:
    program = JournalProgram(openings=2)
    found = sweep(program, program.read, how=how)
    crash_figures.add(f"sweep of disk calls, journal, {how}", found.figures())
    found.require_clean()


@pytest.mark.parametrize(
    "how", [*HOWS[:2], pytest.param("EROFS", marks=pytest.mark.torture), *HOWS[3:]]
)
def test_the_files_store_survives_every_broken_call(how: How, crash_figures: CrashFigures) -> None:
    program = StoreProgram(openings=2)
    found = sweep(program, program.read, how=how)
    crash_figures.add(f"sweep of disk calls, files store, {how}", found.figures())
    found.require_clean()
