"""Opening a store by its address."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.errors import UsageError
from holdfast.storage import ABSENT, open_store
from holdfast.testing.clock import ManualClock


async def test_a_store_in_memory_is_opened_by_its_address() -> None:
    async with open_store("memory://", clock=ManualClock()) as store:
        assert await store.put(("a",), b"", expected=ABSENT)


async def test_a_sqlite_store_is_opened_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "new" / "store.db"
    async with open_store(f"sqlite:{path}", clock=ManualClock(), ack="os") as store:
        assert await store.append(("a",), [b""]) == 1
    assert path.is_file()


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("sqlit:x.db", "did you mean 'sqlite:PATH'? known are: memory://, files:PATH, sqlite:PATH"),
        ("Memory://", "did you mean 'memory://'?"),
        ("oracle://x", "known are: memory://, files:PATH, sqlite:PATH"),
        ("sqlite", "did you mean 'sqlite:PATH'?"),
        ("", "known are"),
        ("sqlite:", "write 'sqlite:PATH'"),
        ("sqlite://", "write 'sqlite:PATH'"),
        ("memory://name", "write 'memory://'"),
    ],
)
def test_a_wrong_address_is_a_usage_error_that_says_what_to_write(url: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(url, clock=ManualClock())
    assert hint in caught.value.hint


def test_importing_the_seam_loads_no_driver_and_no_event_loop() -> None:
    probe = "import sys, holdfast.storage; print({'sqlite3', 'asyncio'} & set(sys.modules))"
    shown = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True
    )
    assert shown.stdout.strip() == "set()"
