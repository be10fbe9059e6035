"""The figures of a run are printed at its end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
def test_one(crash_figures):
    crash_figures.add("cuts of ext4, sqlite", {"cuts": 3, "lost": 0})

def test_two(crash_figures):
    crash_figures.add("cuts of ext4, sqlite", {"cuts": 1200, "lost": 0})

def test_three(crash_figures):
    crash_figures.skip("cuts of xfs", "only root may mount")
"""


def printed(folder: Path, *options: str) -> list[str]:
    (folder / "conftest.py").write_text('pytest_plugins = ["holdfast.testing.crash"]\n')
    (folder / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("options", [[], pytest.param(["-n", "2"], marks=pytest.mark.torture)])
def test_the_figures_are_printed_with_what_was_not_run(tmp_path: Path, options: list[str]) -> None:
    lines = printed(tmp_path, *options)
    assert any(" crash kit " in line for line in lines)
    assert "cuts of ext4, sqlite: cuts 1,203, lost 0" in lines
    assert "cuts of xfs: NOT RUN: only root may mount" in lines
    told = next(line for line in lines if line.startswith('{"crash_kit"'))
    assert json.loads(told) == {
        "crash_kit": {"cuts of ext4, sqlite": {"cuts": 1203, "lost": 0}},
        "not_run": {"cuts of xfs": "only root may mount"},
    }
