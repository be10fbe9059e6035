"""What was acknowledged survives the power cut of a real file system under load."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from holdfast.testing.crash import Order, Storm, cut_disk, cut_storm
from holdfast.testing.crash.cuts import told_before
from holdfast.testing.crash.evidence import Ack
from holdfast.testing.crash.figures import CrashFigures
from holdfast.testing.crash.mounts import FileSystem, missing
from tests.crash.embedded import EMBEDDED

FILE_SYSTEMS: tuple[FileSystem, ...] = ("ext4", "xfs")
LYING = (
    "strace", "-f", "-qq", "-e", "signal=none", "-e", "trace=fsync,fdatasync",
    "-e", "inject=fsync,fdatasync:retval=0", "-o", "/dev/null",
)  # fmt: skip


def storm(
    kind: FileSystem, order: Order, folder: Path, cuts: int, figures: CrashFigures, under=()
) -> Storm:
    if reason := missing(kind):
        figures.skip(f"cuts of real file systems, {kind}", reason)
    with cut_disk(kind, folder) as disk:
        return cut_storm(disk, order, cuts=cuts, seed=cuts, under=under)


def prove(scheme: str, kind: FileSystem, folder: Path, cuts: int, figures: CrashFigures) -> None:
    found = storm(kind, Order(url=f"{scheme}:{{path}}", name="writer"), folder, cuts, figures)
    figures.add(f"cuts of {kind}, {scheme}", {"cuts": found.blows, **found.figures()})
    found.require_clean()
    assert found.acknowledged > cuts


@pytest.mark.promise(
    "power-cut-loses-nothing", "acknowledged-survives", "batch-is-atomic", "logs-have-no-gaps"
)
@pytest.mark.parametrize("kind", FILE_SYSTEMS)
@pytest.mark.parametrize("scheme", EMBEDDED)
def test_cuts_lose_nothing(
    scheme: str, kind: FileSystem, apart: Path, crash_figures: CrashFigures
) -> None:
    prove(scheme, kind, apart, 8, crash_figures)


@pytest.mark.torture
@pytest.mark.parametrize("kind", FILE_SYSTEMS)
@pytest.mark.parametrize("scheme", EMBEDDED)
def test_a_hundred_cuts_lose_nothing(
    scheme: str, kind: FileSystem, apart: Path, crash_figures: CrashFigures
) -> None:
    prove(scheme, kind, apart, 100, crash_figures)


@pytest.mark.parametrize("kind", FILE_SYSTEMS)
@pytest.mark.parametrize("scheme", EMBEDDED)
def test_a_store_that_does_not_sync_is_found(
    scheme: str, kind: FileSystem, apart: Path, crash_figures: CrashFigures
) -> None:
    order = Order(url=f"{scheme}:{{path}}", name="writer", ack="os")
    found = storm(kind, order, apart, 3, crash_figures)
    assert found.verdict.lost
    assert not [each for each in found.verdict.lost if not each.startswith("cut ")]


@pytest.mark.parametrize("scheme", EMBEDDED)
def test_a_disk_whose_syncs_lie_is_found(
    scheme: str, apart: Path, crash_figures: CrashFigures
) -> None:
    if shutil.which("strace") is None:
        crash_figures.skip("cuts under lying syncs", "strace not found")
    order = Order(url=f"{scheme}:{{path}}", name="writer")
    found = storm("ext4", order, apart, 3, crash_figures, under=LYING)
    assert found.verdict.lost


def test_only_what_was_acknowledged_before_the_cut_must_be_there() -> None:
    acks = [Ack(stamp, "log", "writer", "0", stamp, stamp) for stamp in (1, 2, 3)]
    assert told_before(acks, 2) == acks[:1]


def test_a_disk_is_unmounted_when_a_test_fails(apart: Path, crash_figures: CrashFigures) -> None:
    if reason := missing("ext4"):
        crash_figures.skip("cuts of real file systems, ext4", reason)
    mounted = cut_disk("ext4", apart)
    disk = mounted.__enter__()
    assert disk.path.is_mount()
    mounted.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert not disk.path.is_mount()
    assert str(apart) not in Path("/proc/mounts").read_text()
