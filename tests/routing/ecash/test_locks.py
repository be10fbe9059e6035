"""The lock of a wallet, where there is no wallet yet."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from holdfast.clock import SystemClock
from holdfast.errors import StorageError
from holdfast.routing.ecash.file import alone


class Impatient(SystemClock):
    """A clock that lets others go first and sleeps no longer."""

    async def sleep(self, seconds: float) -> None:
        del seconds
        os.sched_yield()


def test_nobody_else_is_in_while_locks_are_made_and_removed(tmp_path):
    path, inside, most = tmp_path / "project" / "wallet.db", [], []

    async def go_in(number: int) -> None:
        async with alone(path, Impatient()):
            inside.append(number)
            os.sched_yield()
            most.append(len(inside))
            inside.remove(number)

    def repeat(number: int) -> None:
        for _ in range(300):
            asyncio.run(go_in(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(repeat, range(4)))
    assert (len(most), max(most)) == (1200, 1)
    assert list(tmp_path.iterdir()) == []


async def test_a_lock_stays_beside_a_wallet(tmp_path):
    path = tmp_path / "wallet.db"
    async with alone(path, SystemClock()):
        path.touch()
    assert {each.name for each in tmp_path.iterdir()} == {"wallet.db", "wallet.db.lock"}


async def test_where_there_can_be_no_file_that_is_said(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        async with alone(tmp_path / "file" / "wallet.db", SystemClock()):
            pass
