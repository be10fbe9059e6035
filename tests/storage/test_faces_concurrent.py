"""No edit is lost, whoever else works on the folder."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from holdfast.clock import SystemClock
from holdfast.storage.faces import Faces, JsonCodec
from holdfast.storage.seam import ANY, Conflict, Store
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import Crashed, CrashingStore
from tests.storage.faces_crashing import Death, OddDisk, check_edits, make_edits, recover, work
from tests.storage.faces_desk import Desk


@pytest.mark.timeout(300)
@pytest.mark.parametrize("save", ["in place", "by renaming"])
async def test_an_edit_saved_at_any_moment_is_taken_in(tmp_path: Path, save: str) -> None:
    """A person saves between any two file operations of a process that replaces the face."""
    number, is_over = 0, False
    while not is_over:
        number += 1
        desk = Desk(tmp_path / f"{number}")
        async with desk.store:
            await desk.put("a", title="old", n=0)
            await desk.faces.write()
            opened = json.loads(desk.path("a").read_text())
            await desk.put("a", title="old", n=1)
            disk = OddDisk(_saving(desk, number, save, {**opened, "title": "mine"}))
            faces = desk.open(disk=disk)
            await faces.write()
            # Not in `.base`, which is disposable.
            assert disk.count < number or '"mine"' in _texts(desk), number
            await faces.take_in()
            is_over = disk.count < number
            await recover(desk)
            assert await desk.get("a") == {"title": "old" if is_over else "mine", "n": 1}, number
            assert desk.conflicts() == []
    assert number > 20


async def test_an_edit_saved_just_before_a_death_is_not_in_the_disposable_folder(
    tmp_path: Path,
) -> None:
    deaths = 0
    for number in range(1, 30):
        desk = Desk(tmp_path / f"{number}")
        async with desk.store:
            await desk.put("a", title="old", n=0)
            await desk.faces.write()
            opened = json.loads(desk.path("a").read_text())
            await desk.put("a", title="old", n=1)
            save = _saving(desk, number, "by renaming", {**opened, "title": "mine"})
            death = Death()

            def trouble(
                at: int,
                when: str,
                operation: str,
                save: Callable[[int, str, str], None] = save,
                death: Death = death,
                number: int = number,
            ) -> None:
                save(at, when, operation)
                if at >= number and operation == "link":
                    death.at = (at, when)
                death(at, when, operation)

            with suppress(Crashed):
                await desk.open(disk=OddDisk(trouble)).write()
            if death.dead:
                deaths += 1
                assert '"mine"' in _texts(desk), number
    assert deaths > 5


def _texts(desk: Desk) -> str:
    files = [desk.path("a"), *(desk.folder / "conflicts" / "taking").glob("*")]
    return "\n".join(each.read_text() for each in files if each.exists())


def _saving(
    desk: Desk, number: int, save: str, fields: dict[str, object]
) -> Callable[[int, str, str], None]:
    def trouble(at: int, when: str, operation: str) -> None:
        if (at, when) == (number, "before"):
            data = json.dumps(fields)
            if save == "in place" and desk.path("a").exists():
                with desk.path("a").open("r+") as file:
                    file.write(data)
                    file.truncate()
            else:
                half_saved = desk.folder / ".a.json.swp"
                half_saved.write_text(data)
                half_saved.rename(desk.path("a"))

    return trouble


@pytest.mark.timeout(300)
async def test_two_processes_at_once_lose_no_edit(tmp_path: Path) -> None:
    """Another process does its whole work between any two calls of the first one to the store."""
    number, is_over = 0, False
    while not is_over:
        number += 1
        desk = Desk(tmp_path / f"{number}")
        async with desk.store:
            await make_edits(desk)
            store = _Between(desk, number)
            await work(desk.open(store))
            is_over = store.calls < number
            await recover(desk)
            await check_edits(desk)
    assert number > 15


class _Between(CrashingStore):
    """Let another process work between two calls of the store."""

    def __init__(self, desk: Desk, number: int) -> None:
        super().__init__(desk.store)
        self.desk = desk
        self.number = number
        self.calls = 0

    async def _call(self, verb: str, action: Any) -> Any:
        self.calls += 1
        if self.calls == self.number:
            await work(self.desk.open())
        return await super()._call(verb, action)


_WORKER = """
import asyncio, sys
from pathlib import Path
from holdfast.clock import SystemClock
from holdfast.storage.faces import Faces, JsonCodec
from holdfast.storage.sqlite import SqliteStore

async def main(place):
    clock = SystemClock()
    async with SqliteStore(place / "store.db", clock=clock, ack="os") as store:
        faces = Faces(store, ("notes",), place / "notes", codec=JsonCodec(), clock=clock)
        while True:
            await faces.take_in()
            await faces.write()
            print("done", flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


class _Workers:
    """Two processes that work on one folder, killed and started again."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.processes: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-c", _WORKER, self.place],
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for process in self.processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"

    def wait(self) -> None:
        """Let the first process go through the folder once."""
        stdout = self.processes[0].stdout
        assert stdout is not None
        assert stdout.readline() == "done\n"

    def kill(self) -> None:
        alive = [process.poll() is None for process in self.processes]
        for process in self.processes:
            with process:
                process.kill()
        assert all(alive)


@pytest.mark.timeout(300)
async def test_processes_that_are_killed_lose_no_edit(tmp_path: Path) -> None:
    await _edit_beside_killed_processes(tmp_path, kills=4, seed=1)


@pytest.mark.torture
@pytest.mark.timeout(900)
async def test_processes_that_are_killed_often_lose_no_edit(tmp_path: Path) -> None:
    await _edit_beside_killed_processes(tmp_path, kills=100, seed=2)


async def _edit_beside_killed_processes(place: Path, *, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    names = ("a", "b", "c")
    written: list[str] = []
    workers = _Workers(place)
    async with SqliteStore(place / "store.db", clock=SystemClock(), ack="os") as store:
        for name in names:
            await store.put(("notes", name), b'{"n":0}', expected=ANY)
        for _ in range(kills):
            workers.start()
            try:
                for _ in range(chance.randint(4, 12)):
                    await _change(store, chance.choice(names))
                    path = place / "notes" / f"{chance.choice(names)}.json"
                    while not _save(path, f"edit{len(written)}"):
                        workers.wait()
                    written.append(f"edit{len(written)}")
                    if chance.random() < 0.3:
                        workers.wait()
            finally:
                workers.kill()
        clock = ManualClock(2_000_000_000_000)
        faces = Faces(store, ("notes",), place / "notes", codec=JsonCodec(), clock=clock)
        await faces.take_in()
        records = await store.scan(("notes",))
        assert not list((place / "notes" / "conflicts").glob("taking/*"))
    kept = [each.read_bytes() for each in (place / "notes" / "conflicts").glob("*.json")]
    everything = b"\n".join([*(each.value for each in records), *kept])
    assert len(written) >= 4 * kills
    assert [each for each in written if f'"{each}"'.encode() not in everything] == []
    taken = sum(each.value.count(b'"edit') for each in records)
    assert taken > len(written) // 2


async def _change(store: Store, name: str) -> None:
    """Count up a field that no person touches."""
    while record := await store.get(("notes", name)):
        fields = json.loads(record.value)
        fields["n"] += 1
        value = json.dumps(fields).encode()
        if not isinstance(await store.put(record.key, value, expected=record.version), Conflict):
            return


def _save(path: Path, token: str) -> bool:
    """Add a field to a face as editors do; False if it is not there at this moment."""
    try:
        fields = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return False
    data = json.dumps({**fields, token: token})
    half_saved = path.with_name(f".{path.name}.swp")
    half_saved.write_text(data)
    half_saved.rename(path)
    return True
