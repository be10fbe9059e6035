"""A folder of faces on a store in memory, and a person who edits the files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.storage.faces import Codec, Faces, JsonCodec
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ANY, Key, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import FaultyStore

PREFIX = ("notes",)


class Desk:
    """What a test of the faces works with. All files count as settled unless `save_now` is used."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(clock=self.clock)
        self.folder = folder
        self.options: dict[str, Any] = {"codec": JsonCodec(), **options}
        self.faces = self.open()

    def open(self, store: Store | None = None, **options: Any) -> Faces:
        return Faces(
            store or self.store,
            PREFIX,
            self.folder,
            clock=self.clock,
            **{**self.options, **options},
        )

    @property
    def codec(self) -> Codec:
        return self.options["codec"]

    async def put(self, name: str, **fields: object) -> None:
        await self.store.put((*PREFIX, name), json.dumps(fields).encode(), expected=ANY)

    async def get(self, name: str) -> dict[str, Any]:
        record = await self.store.get((*PREFIX, name))
        assert record is not None
        return json.loads(record.value)

    def key(self, name: str) -> Key:
        return (*PREFIX, name)

    def path(self, name: str) -> Path:
        return self.faces.path_of(self.key(name))

    def shown(self, name: str) -> dict[str, Any]:
        """Return the fields of a file, without its mark."""
        fields = dict(self.codec.parse(self.path(name).read_text()))
        fields.pop("_face")
        return fields

    def edit(self, name: str, **changes: object) -> None:
        """Change fields of a file; `...` removes one."""
        fields = {**self.codec.parse(self.path(name).read_text()), **changes}
        left = {key: value for key, value in fields.items() if value is not ...}
        self.path(name).write_text(self.codec.render(left))

    def conflicts(self) -> list[Path]:
        """Return the files of people that were kept for good."""
        folder = self.folder / "conflicts"
        return sorted(folder.glob(f"*{self.codec.suffix}"))

    def leftovers(self) -> list[Path]:
        """Return what is neither a face nor kept for good."""
        taking = self.folder / "conflicts" / "taking"
        return [*(self.folder / ".base" / "spent").glob("*"), *taking.glob("*")]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path / "notes")
    async with desk.store:
        yield desk


def tell(findings: Any) -> str:
    return "\n".join(each.sentence for each in findings)


class Meddling(FaultyStore):
    """Somebody else writes a record right after the n-th call of a verb."""

    def __init__(self, inner: Any, writes: dict[tuple[str, int], tuple[str, object]]) -> None:
        super().__init__(inner, {})
        self.writes = writes

    async def _call(self, verb: str, action: Any) -> Any:
        result = await super()._call(verb, action)
        if write := self.writes.get((verb, self.calls[verb])):
            name, fields = write
            await self.inner.put((*PREFIX, name), json.dumps(fields).encode(), expected=ANY)
        return result
