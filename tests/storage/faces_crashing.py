"""A disk that dies or fails at any operation, and edits that must survive it."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from holdfast.storage.faces import Faces
from holdfast.storage.faces.disk import Status, SystemFaceDisk
from holdfast.storage.seam import ANY
from holdfast.testing.stores import Crashed
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


class Death:
    """Die at one operation; a dead process does nothing more."""

    def __init__(self, number: int | None = None, when: str = "before") -> None:
        self.at = (number, when)
        self.dead = False

    def __call__(self, number: int, when: str, operation: str) -> None:
        if self.dead or self.at == (number, when):
            self.dead = True
            raise Crashed(operation)


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


async def work(faces: Faces) -> None:
    await faces.take_in()
    await faces.write()


async def operations_of(folder: Path) -> list[str]:
    """Return the names of the file operations that taking in the edits takes."""
    desk = Desk(folder / "count")
    operations: list[str] = []

    def note(number: int, when: str, operation: str) -> None:
        if when == "before":
            operations.append(operation)

    async with desk.store:
        await make_edits(desk)
        await work(desk.open(disk=OddDisk(note)))
    assert len(operations) > 150
    return operations
