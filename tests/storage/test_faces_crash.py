"""No edit is lost, wherever the process dies, whatever fails, whoever else works on the folder."""

from __future__ import annotations

import errno
import json
import random
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from io import FileIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from holdfast.clock import SystemClock
from holdfast.errors import StorageError
from holdfast.storage.faces import Faces, JsonCodec
from holdfast.storage.faces.disk import Status, SystemFaceDisk
from holdfast.storage.seam import ANY, Conflict, Store
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import Crashed, CrashingStore
from tests.storage.faces_desk import Desk


class OddDisk(SystemFaceDisk):
    """Call `trouble` with the number and the name of each operation, before and after it.

    `trouble(number, when, operation)` may raise, or do what a person does meanwhile.
    """

    def __init__(self, trouble: Callable[[int, str, str], None]) -> None:
        self.trouble = trouble
        self.count = 0

    def _do(self, operation: str, action: Callable[[], Any]) -> Any:
        self.count += 1
        number = self.count
        self.trouble(number, "before", operation)
        result = action()
        self.trouble(number, "after", operation)
        return result

    def make_folder(self, path: Path) -> None:
        self._do("make_folder", lambda: SystemFaceDisk.make_folder(self, path))

    def names(self, path: Path) -> list[str]:
        return self._do("names", lambda: SystemFaceDisk.names(self, path))

    def status(self, path: Path) -> Status | None:
        return self._do("status", lambda: SystemFaceDisk.status(self, path))

    def read(self, path: Path) -> bytes | None:
        return self._do("read", lambda: SystemFaceDisk.read(self, path))

    def write(self, path: Path, data: bytes) -> None:
        def torn() -> None:
            SystemFaceDisk.write(self, path, data[: len(data) // 2])
            self.trouble(self.count, "torn", "write")
            SystemFaceDisk.write(self, path, data)

        self._do("write", torn)

    def rename(self, old: Path, new: Path) -> bool:
        return self._do("rename", lambda: SystemFaceDisk.rename(self, old, new))

    def link(self, old: Path, new: Path) -> bool:
        return self._do("link", lambda: SystemFaceDisk.link(self, old, new))

    def unlink(self, path: Path) -> None:
        self._do("unlink", lambda: SystemFaceDisk.unlink(self, path))

    def hold(self, path: Path) -> FileIO | None:
        held: list[FileIO | None] = []
        try:
            return self._do("hold", lambda: held.append(SystemFaceDisk.hold(self, path)) or held[0])
        except BaseException:
            for handle in filter(None, held):
                handle.close()  # as the end of the process does
            raise

    @contextmanager
    def lock(self, path: Path) -> Generator[None]:
        self._do("lock", lambda: None)
        with SystemFaceDisk.lock(self, path):
            yield


class _Death:
    """Die at one operation; a dead process does nothing more."""

    def __init__(self, number: int | None = None, when: str = "before") -> None:
        self.at = (number, when)
        self.dead = False

    def __call__(self, number: int, when: str, operation: str) -> None:
        if self.dead or self.at == (number, when):
            self.dead = True
            raise Crashed(operation)


Scene = Callable[[Desk], Any]


async def make_edits(desk: Desk) -> None:
    """Leave one edit of each kind in the folder, for `check_edits`."""
    for name in ("plain", "both", "clash", "gone", "broken", "stale"):
        await desk.put(name, title="old", state="open", n=0)
    await desk.faces.write()
    await desk.put("stale", title="old", state="open", n=1)
    await desk.faces.write()
    for name in ("plain", "both", "clash", "gone"):
        desk.edit(name, title=f"mine {name}")
    desk.path("broken").write_text('{"title": "mine broken"')
    await desk.put("both", title="old", state="done", n=0)
    await desk.put("clash", title="theirs", state="open", n=0)
    await desk.put("stale", title="old", state="open", n=2)
    await desk.store.delete(desk.key("gone"), expected=ANY)


async def check_edits(desk: Desk) -> None:
    """Check that each edit is in its record or kept, and that nothing else has changed."""
    assert await desk.get("plain") == {"title": "mine plain", "state": "open", "n": 0}
    assert await desk.get("both") == {"title": "mine both", "state": "done", "n": 0}
    assert await desk.get("clash") == {"title": "theirs", "state": "open", "n": 0}
    assert await desk.get("stale") == {"title": "old", "state": "open", "n": 2}
    assert await desk.get("broken") == {"title": "old", "state": "open", "n": 0}
    assert await desk.store.get(desk.key("gone")) is None
    kept = [each.read_text() for each in desk.conflicts()]
    for name in ("clash", "gone", "broken"):
        assert sum(f'"mine {name}"' in text for text in kept) == 1, (name, kept)
    assert len(kept) == 3
    for each in desk.conflicts():
        assert json.loads(each.with_name(each.name + ".why").read_text())["why"]
    for name in ("plain", "both", "clash", "stale", "broken"):
        assert desk.shown(name) == await desk.get(name)
    assert not desk.path("gone").exists()


async def recover(desk: Desk) -> None:
    """Start again after a crash: nothing is in the way, and soon nothing is left over."""
    desk.clock.advance(5)
    await desk.faces.write()
    await desk.faces.take_in()
    await desk.faces.write()
    desk.clock.advance(5)
    assert not any(
        each.outcome.value == "waiting" for each in (await desk.faces.take_in()).findings
    )
    assert (await desk.faces.take_in()).findings == ()
    assert desk.leftovers() == []


async def _work(faces: Faces) -> None:
    await faces.take_in()
    await faces.write()


async def test_the_edits_of_the_crash_tests_are_taken_in(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.store:
        await make_edits(desk)
        report = await desk.faces.take_in()
        assert [len(each) for each in (report.applied, report.merged, report.conflicts)] == [
            1,
            1,
            2,
        ]
        await recover(desk)
        await check_edits(desk)


async def _operations(folder: Path) -> list[str]:
    """Return the names of the file operations that taking in the edits takes."""
    desk = Desk(folder / "count")
    operations: list[str] = []

    def note(number: int, when: str, operation: str) -> None:
        if when == "before":
            operations.append(operation)

    async with desk.store:
        await make_edits(desk)
        await _work(desk.open(disk=OddDisk(note)))
    assert len(operations) > 150
    return operations


async def _die_at(folder: Path, number: int, when: str) -> bool:
    """Tell whether the process died; check that it lost nothing."""
    desk = Desk(folder)
    death = _Death(number, when)
    async with desk.store:
        await make_edits(desk)
        with suppress(Crashed):
            await _work(desk.open(disk=OddDisk(death)))
        await recover(desk)
        await check_edits(desk)
    return death.dead


@pytest.mark.timeout(300)
async def test_a_death_before_any_file_operation_loses_no_edit(tmp_path: Path) -> None:
    for number, _ in enumerate(await _operations(tmp_path), 1):
        assert await _die_at(tmp_path / f"{number}", number, "before")


@pytest.mark.timeout(300)
async def test_a_death_within_any_write_to_a_file_loses_no_edit(tmp_path: Path) -> None:
    operations = enumerate(await _operations(tmp_path), 1)
    writes = [number for number, operation in operations if operation == "write"]
    assert len(writes) > 10
    for number in writes:
        assert await _die_at(tmp_path / f"{number}", number, "torn")


async def test_a_face_left_by_a_death_can_be_edited_like_any_other(tmp_path: Path) -> None:
    edited = 0
    death = _Death()
    for number in count(1):
        desk = Desk(tmp_path / f"{number}")
        async with desk.store:
            await desk.put("a", title="old", n=0)
            await desk.faces.write()
            await desk.put("a", title="old", n=1)
            death = _Death(number)
            with suppress(Crashed):
                await desk.open(disk=OddDisk(death)).write()
            await desk.put("a", title="old", n=2)
            if desk.path("a").exists():
                edited += 1
                desk.edit("a", title="mine")
                report = await desk.faces.take_in()
                assert len(report.merged) == 1
                assert await desk.get("a") == {"title": "mine", "n": 2}
        if not death.dead:
            break
    assert edited > 20


@pytest.mark.torture
@pytest.mark.timeout(900)
async def test_a_death_after_any_file_operation_loses_no_edit(tmp_path: Path) -> None:
    for number, _ in enumerate(await _operations(tmp_path), 1):
        assert await _die_at(tmp_path / f"{number}", number, "after")


@pytest.mark.parametrize("torn", [False, True])
async def test_a_death_at_any_write_to_the_store_loses_no_edit(tmp_path: Path, torn: bool) -> None:
    for number in range(3):
        desk = Desk(tmp_path / f"{number}")
        async with desk.store:
            await make_edits(desk)
            store = CrashingStore(desk.store, after=number, torn=torn)
            if number < 2:
                with pytest.raises(Crashed):
                    await _work(desk.open(store))
            else:
                await _work(desk.open(store))
            await recover(desk)
            await check_edits(desk)


@pytest.mark.timeout(300)
async def test_a_failure_of_a_file_operation_loses_no_edit(tmp_path: Path) -> None:
    await _fail_everywhere(tmp_path, step=4)


@pytest.mark.torture
@pytest.mark.timeout(900)
async def test_a_failure_of_any_file_operation_loses_no_edit(tmp_path: Path) -> None:
    await _fail_everywhere(tmp_path, step=1)


async def _fail_everywhere(folder: Path, *, step: int) -> None:
    total = len(await _operations(folder))
    failures = 0
    for number in range(1, total + 1, step):
        desk = Desk(folder / f"{number}")
        async with desk.store:
            await make_edits(desk)
            try:
                await _work(desk.open(disk=OddDisk(_failing(number))))
            except StorageError:
                failures += 1
            await recover(desk)
            await check_edits(desk)
    assert failures > total // step // 4


def _failing(number: int) -> Callable[[int, str, str], None]:
    def trouble(at: int, when: str, operation: str) -> None:
        if at == number and when != "after":
            raise OSError(errno.EIO, f"{operation} failed")

    return trouble


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
            death = _Death()

            def trouble(
                at: int,
                when: str,
                operation: str,
                save: Callable[[int, str, str], None] = save,
                death: _Death = death,
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
            await _work(desk.open(store))
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
            await _work(self.desk.open())
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
