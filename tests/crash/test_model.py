"""The model of power cuts finds the faults of wrong stores, and none in right ones."""

from __future__ import annotations

import pytest

from holdfast.testing.crash import (
    ROOT,
    Bounds,
    Exploration,
    Ledger,
    RecordingDisk,
    explore,
)
from holdfast.testing.crash.figures import CrashFigures
from holdfast.testing.crash.pending import Model
from tests.crash import toys
from tests.crash.embedded import ErasingProgram, JournalProgram, StoreProgram

MODELS: tuple[Model, ...] = ("ordered", "weak")
COMMITS = 5

RIGHT = (toys.Replaced, toys.Journal, toys.RotatingJournal)
UNREADABLE = (toys.InPlace, toys.UncheckedJournal, toys.ReplacedUnsynced)
LOSING = (toys.InPlace, toys.ReplacedUnsynced, toys.ReplacedWithoutFolder, toys.UnsyncedJournal)


def commits(toy: toys.Toy, number: int = COMMITS):
    """Return a program that commits so many values behind those that are there."""

    def program(disk, ledger):
        first = max(toy.read(disk), default=0) + 1
        for value in range(first, first + number):
            ledger.attempt(value)
            toy.commit(disk, value)
            ledger.acknowledge(value)

    return program


def cut(toy: toys.Toy, model: Model, *, lives: int = 5, per_cut: int = 600) -> Exploration:
    return explore(commits(toy), toy.read, model=model, bounds=Bounds(per_cut=per_cut), lives=lives)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("toy", RIGHT)
def test_nothing_is_found_in_a_right_store(toy: type[toys.Toy], model: Model) -> None:
    found = cut(toy(), model)
    found.require_clean()
    assert found.states > 500
    assert found.acknowledged == COMMITS * 6


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("toy", UNREADABLE)
def test_a_store_that_a_cut_leaves_unreadable_is_found(toy: type[toys.Toy], model: Model) -> None:
    assert cut(toy(), model).unreadable > 0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("toy", LOSING)
def test_a_store_that_loses_what_it_acknowledged_is_found(
    toy: type[toys.Toy], model: Model
) -> None:
    found = cut(toy(), model)
    assert found.lost > 0
    with pytest.raises(AssertionError, match="break a promise"):
        found.require_clean()


def test_a_folder_that_is_never_synced_loses_files_in_the_weak_model_only() -> None:
    assert cut(toys.RotatingWithoutFolder(), "weak").lost > 0
    cut(toys.RotatingWithoutFolder(), "ordered").require_clean()


@pytest.mark.parametrize("model", MODELS)
def test_a_disk_whose_syncs_lie_is_found(model: Model) -> None:
    disk = toys.LyingDisk()
    toy = toys.Journal()
    ledger = Ledger(disk)
    commits(toy)(disk, ledger)
    found = toys.examine(disk, ledger, toy, model)
    assert found.lost > 0


def test_a_program_that_acknowledges_before_the_sync_is_found() -> None:
    toy = toys.Journal()

    def hasty(disk, ledger):
        ledger.attempt(1)
        ledger.acknowledge(1)
        toy.commit(disk, 1)

    assert explore(hasty, toy.read).lost > 0


def test_what_was_never_written_is_found() -> None:
    toy = toys.Journal()
    found = explore(commits(toy), lambda disk: [*toy.read(disk), 99])
    assert found.invented == found.states


def test_a_fault_tells_what_is_missing_on_the_disk() -> None:
    fault = cut(toys.ReplacedWithoutFolder(), "weak").faults[0]
    assert "not on the disk: rename /disk/state.tmp to /disk/state" in str(fault)
    assert fault.kind == "lost"
    assert fault.values == {1}
    # The image of a fault shows it again.
    assert 1 not in toys.ReplacedWithoutFolder().read(RecordingDisk(fault.image))


def test_equal_disks_are_opened_once() -> None:
    opened = 0
    toy = toys.Replaced()

    def read(disk):
        nonlocal opened
        opened += 1
        return toy.read(disk)

    found = explore(commits(toy), read)
    assert opened == found.images < found.states


def test_a_store_that_forgets_what_it_showed_behind_a_cut_is_found() -> None:
    """It opens well each time, and throws away what was there: only a second life shows that."""
    toy = toys.Journal()

    def forgetful(disk, ledger):
        if ledger.life:
            disk.unlink(ROOT / "journal")
            disk.sync_folder(ROOT)
        commits(toy)(disk, ledger)

    assert explore(forgetful, toy.read, lives=0).lost == 0
    assert explore(forgetful, toy.read, lives=5).lost > 0


def test_where_all_states_are_too_many_single_faults_are_tried_first() -> None:
    """Twelve unsynced files have 4096 sets of names; the one that is missing is found."""

    def program(disk, ledger):
        ledger.attempt("all")
        for number in range(12):
            disk.close(disk.open(ROOT / f"file{number}", create=True))
        if len(disk.names(ROOT)) == 12:
            ledger.acknowledge("all")

    def read(disk):
        return ["all"] if len(disk.names(ROOT)) == 12 else []

    found = explore(program, read, bounds=Bounds(per_cut=64))
    assert found.lost > 0
    assert found.states <= 64 * 13


def test_a_program_that_cannot_go_on_behind_a_cut_is_found() -> None:
    toy = toys.Journal()

    def shy(disk, ledger):
        if ledger.life:
            raise OSError("no")
        commits(toy)(disk, ledger)

    found = explore(shy, toy.read, lives=3)
    assert found.unreadable == 3
    assert "the program cannot go on: OSError('no')" in str(found.faults[0])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("program", [JournalProgram(openings=2), JournalProgram(writers=2)])
def test_the_journal_survives_cuts(
    program: JournalProgram, model: Model, crash_figures: CrashFigures
) -> None:
    found = explore(program, program.read, model=model, bounds=Bounds(per_cut=300), lives=5)
    crash_figures.add(f"model of power cuts, journal, {model}", found.figures())
    found.require_clean()


@pytest.mark.parametrize("model", MODELS)
def test_the_files_store_survives_cuts(model: Model, crash_figures: CrashFigures) -> None:
    program = StoreProgram()
    found = explore(program, program.read, model=model, bounds=Bounds(per_cut=60), lives=2)
    crash_figures.add(f"model of power cuts, files store, {model}", found.figures())
    found.require_clean()


@pytest.mark.parametrize("model", MODELS)
def test_erasures_survive_cuts(model: Model, crash_figures: CrashFigures) -> None:
    program = ErasingProgram()
    found = explore(program, program.read, model=model, bounds=Bounds(per_cut=60), lives=2)
    crash_figures.add(f"model of power cuts, erasures in files, {model}", found.figures())
    found.require_clean()


def test_a_journal_that_does_not_sync_is_found() -> None:
    class Unsynced(JournalProgram):
        def _open(self, disk):
            journal = super()._open(disk)
            journal._syncs = False
            return journal

    program = Unsynced(openings=1)
    found = explore(program, program.read, bounds=Bounds(per_cut=300))
    assert found.lost > 0
