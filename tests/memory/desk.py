"""What a test of the memory works with."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from holdfast.memory import Draft, Entry, Kind, Memories, Provenance, parse_namespace
from holdfast.memory.writing import Written
from holdfast.storage.seam import Store
from holdfast.testing.clock import ManualClock


class Desk:
    """A memory with a folder, and short ways to write and to look."""

    def __init__(self, store: Store, clock: ManualClock, place: Path) -> None:
        self.store = store
        self.clock = clock
        self.folder = place / "memory"
        self.search_folder = place / "search"
        self.memories = self.open()

    def open(self, **options: Any) -> Memories:
        """Open another memory on the same store, as another process would."""
        return Memories(
            self.store,
            clock=self.clock,
            **{"folder": self.folder, "search_folder": self.search_folder, **options},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.memories.__aexit__(kind, error, trace)

    async def write(
        self,
        value: object,
        *,
        within: str = "project",
        kind: str = "fact",
        by: str = "",
        session: str = "",
        supersedes: Collection[str] = (),
        **said: Any,
    ) -> Written:
        """Write and let a second go by, so that no two entries have one time."""
        secrets = said.pop("secrets", "refuse")
        draft = Draft(
            namespace=parse_namespace(within),
            kind=Kind(kind),
            value=value,
            provenance=said.pop("provenance", Provenance(by=by, session=session)),
            **said,
        )
        written = await self.memories.write(draft, supersedes=list(supersedes), secrets=secrets)
        self.clock.advance(1)
        return written

    async def values(self, **asked: Any) -> list[object]:
        """Return the values of what is listed, the newest first."""
        return [each.entry.value for each in await self.memories.list(**asked)]

    async def found(self, text: str, **asked: Any) -> list[object]:
        """Return the values of what is found, the best first."""
        return [each.entry.value for each in await self.memories.search(text, **asked)]

    async def believed(self, moment: int, **asked: Any) -> set[object]:
        """Return the values of what was believed."""
        return {each.entry.value for each in await self.memories.as_of(moment, **asked)}

    def path_of(self, entry: Entry) -> Path:
        """Return the file of an entry."""
        (path,) = self.folder.glob(f"*{entry.id}.md")
        return path

    def files(self) -> list[str]:
        """Return the names of the files of entries."""
        return sorted(each.name for each in self.folder.glob("*.md"))

    def edit(self, entry: Entry, old: str, new: str) -> None:
        """Replace a text in the file of an entry."""
        text = self.path_of(entry).read_text()
        assert old in text, text
        self.path_of(entry).write_text(text.replace(old, new))
        self.clock.advance(60)
