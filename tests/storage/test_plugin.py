"""The contract in the hands of somebody else: one fixture, no settings, and what a failure shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_BACKEND = """
import pytest
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Record
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage import ClaimContract, ListingContract, OpenAgain, StoreContract


class MyStore(MemoryStore):
    pass


class MyFixtures:
    @pytest.fixture
    def open_again(self, clock: ManualClock) -> OpenAgain:
        store = MyStore(clock=clock)
        return lambda: store


class TestMyStore(MyFixtures, StoreContract):
    many = 50


class TestMyStoreListing(MyFixtures, ListingContract):
    pass
"""


def _run(folder: Path, backend: str, *arguments: str) -> str:
    (folder / "test_mine.py").write_text(backend, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, folder]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
    return done.stdout + done.stderr


def test_a_backend_with_one_fixture_passes_without_any_settings(tmp_path: Path) -> None:
    shown = _run(tmp_path, _BACKEND, "-q", "-p", "holdfast.testing.storage", "-W", "error")
    passed = re.search(r"^(\d+) passed in", shown, re.MULTILINE)
    assert passed, shown
    assert int(passed[1]) > 250


def test_a_backend_that_forgets_its_fixture_is_told(tmp_path: Path) -> None:
    backend = _BACKEND.replace("(MyFixtures, ListingContract)", "(ListingContract)")
    shown = _run(tmp_path, backend, "-q", "-k", "Listing", "-p", "holdfast.testing.storage")
    assert "a backend's test class provides this fixture" in shown


def test_a_failure_shows_what_was_compared(tmp_path: Path) -> None:
    backend = _BACKEND.replace(
        "    pass\n\n\nclass MyFixtures",
        "    async def get(self, key):\n        return Record(key, b'mine', 7)\n\n\nclass MyFixtures",
    )
    rule = "test_a_record_is_read_as_it_was_written"
    shown = _run(tmp_path, backend, "-q", "-k", rule, "-p", "holdfast.testing.storage")
    assert "1 failed" in shown
    assert "b'mine' != b'hello'" in shown
