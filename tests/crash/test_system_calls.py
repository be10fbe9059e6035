"""Every system call of a writer to its store breaks once, and nothing acknowledged is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.testing.crash import CallSweep, Order, sweep_system_calls
from holdfast.testing.crash.figures import CrashFigures
from holdfast.testing.crash.system_calls import missing
from tests.crash.embedded import EMBEDDED


def order(scheme: str, **more) -> Order:
    return Order(url=f"{scheme}:{{path}}", name="writer", lanes=1, rounds=2, reopens=1, **more)


def broken(scheme: str, folder: Path, figures: CrashFigures, **bounds) -> CallSweep:
    if reason := missing():
        figures.skip("sweep of system calls", reason)
    found = sweep_system_calls(order(scheme), folder, **bounds)
    figures.add(f"sweep of system calls, {scheme}", found.figures())
    found.require_clean()
    return found


@pytest.mark.parametrize("scheme", EMBEDDED)
def test_a_broken_write_or_sync_loses_nothing(
    scheme: str, tmp_path: Path, crash_figures: CrashFigures
) -> None:
    found = broken(
        scheme, tmp_path, crash_figures, calls=("pwrite64", "fdatasync"), points=range(1, 5)
    )
    assert found.runs == 24
    assert found.acknowledged > 0


@pytest.mark.torture
@pytest.mark.parametrize("scheme", EMBEDDED)
def test_a_broken_system_call_of_any_kind_loses_nothing(
    scheme: str, tmp_path: Path, crash_figures: CrashFigures
) -> None:
    found = broken(scheme, tmp_path, crash_figures)
    assert found.runs > 80
    assert found.refused > 0


@pytest.mark.parametrize(
    ("scheme", "points"), [("sqlite", range(40, 55, 5)), ("files", range(2, 6))]
)
def test_a_writer_that_acknowledges_too_early_is_found(
    scheme: str, points: range, tmp_path: Path, crash_figures: CrashFigures
) -> None:
    if reason := missing():
        crash_figures.skip("sweep of system calls", reason)
    found = sweep_system_calls(
        order(scheme, early=True),
        tmp_path,
        calls=("pwrite64",),
        faults=("signal=KILL",),
        points=points,
    )
    assert [fault for fault in found.faults if "lost" in fault]
