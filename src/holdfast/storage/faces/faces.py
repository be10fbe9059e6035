"""Keep one readable file per record, and take in what people edit in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from holdfast.clock import Clock
from holdfast.errors import FaceError, StorageError
from holdfast.storage.faces.codecs import Codec
from holdfast.storage.faces.disk import FaceDisk, SystemFaceDisk
from holdfast.storage.faces.folder import Claim, FaceFolder, Placed
from holdfast.storage.faces.glancing import is_untouched
from holdfast.storage.faces.looking import Look
from holdfast.storage.faces.names import check_suffix, name_face
from holdfast.storage.faces.report import Finding, Outcome, Report, Written, sort_findings
from holdfast.storage.faces.taking import Accept, Create, Taking
from holdfast.storage.seam import Key, Record, Store
from holdfast.storage.threads import on_thread

_PAGE = 200
_ROUNDS = 10
"""How often a face follows a record that changes all the time before it lets the next call do it."""


class Faces:
    """Keep the readable files of the records below `prefix`, in a folder of their own.

    ::

        faces = Faces(store, ("memory",), Path(".holdfast/memory"),
                      codec=MarkdownCodec(body="text"), clock=SystemClock())
        await faces.write()             # every record has its file
        report = await faces.take_in()  # every edit of a file is in its record, or reported

    The store is the truth and the files are derived: they are not synced, and the folder may be
    deleted. Only `conflicts/` in it holds what is nowhere else: files of people that could not be
    taken in full, each with its reasons beside it.

    An edit is merged field by field with what the record has become since the file was written.
    Where both changed the same field, the record keeps its value and the person's file is kept.
    Removing a file removes no record. `write` never touches a file that somebody edited.

    `settle_ms` is how long a broken file must have been left alone before it counts as broken and
    not as half saved. `accept` may refuse a change, `create` may make a record of a new file. Both
    must be quick, and `create` may be asked twice about the same file.

    All of this holds with many processes on one folder, and when they die at any moment.
    """

    def __init__(  # noqa: PLR0913 - most of them have a default
        self,
        store: Store,
        prefix: Key,
        folder: Path,
        *,
        codec: Codec,
        clock: Clock,
        settle_ms: int = 1000,
        accept: Accept | None = None,
        create: Create | None = None,
        disk: FaceDisk | None = None,
    ) -> None:
        check_suffix(codec.suffix)
        self._store = store
        self._prefix = prefix
        self._suffix = codec.suffix
        self._folder = FaceFolder(
            folder.absolute(),
            codec=codec,
            clock=clock,
            settle_ms=settle_ms,
            disk=disk or SystemFaceDisk(),
        )
        self._can_create = create is not None
        self._taking = Taking(
            store=store,
            folder=self._folder,
            codec=codec,
            clock=clock,
            accept=accept,
            create=create,
        )

    def path_of(self, key: Key) -> Path:
        """Return where the face of a record is."""
        return self._folder.path / self._name(key)

    async def write(self) -> Written:
        """Bring every face up to date that nobody edited; write missing ones, remove old ones.

        Raises:
            StorageError: the store or the disk failed; the faces written so far are good.
        """
        tally = _Tally()
        live: set[str] = set()
        async for page in self._pages():
            for record, placed in await on_thread(partial(self._place_all, page)):
                live.add(self._name(record.key))
                tally.count(placed, self.path_of(record.key), record.key)
                if placed in (Placed.WRITTEN, Placed.RESTORED):
                    await self._follow(record)
        await self._remove_gone(live, tally)
        await on_thread(self._folder.sweep)
        return tally.written()

    async def refresh(self, key: Key) -> None:
        """Bring the face of one record up to date, unless somebody edited it.

        Raises:
            StorageError: the store or the disk failed.
        """
        await self._refresh(key)
        await on_thread(self._folder.sweep_at_times)

    async def take_in(self) -> Report:
        """Take all edits into the store, write their faces anew, and say what became of each.

        What could not be taken now because the disk or the store failed is `waiting` and will be
        taken in next time.

        Raises:
            StorageError: the store or the folder could not be read at all.
        """
        await on_thread(self._folder.sweep)
        if await on_thread(partial(is_untouched, self._folder)):
            return Report()
        findings: list[Finding] = []
        keys = {self._name(each.key): each.key async for page in self._pages() for each in page}
        for leftover in await on_thread(self._folder.leftovers):
            await self._take_leftover(leftover, keys, findings)
        seen = await on_thread(
            partial(Look, self._folder, keys, new_suffix=self._suffix if self._can_create else "")
        )
        findings += seen.findings
        for name, key in seen.edited:
            await self._take_face(name, key, findings)
        await self._restore(seen, findings)
        return sort_findings(findings)

    async def _take_leftover(
        self, leftover: str, keys: Mapping[str, Key], findings: list[Finding]
    ) -> None:
        with Claim() as claim:
            if await on_thread(partial(self._folder.reclaim, claim, leftover)):
                history = await on_thread(partial(self._folder.history, claim.name))
                key = keys.get(claim.name) or (history.key if history else None)
                await self._take(claim, key, findings)

    async def _take_face(self, name: str, key: Key | None, findings: list[Finding]) -> None:
        with Claim() as claim:
            if await on_thread(partial(self._folder.claim, claim, name)):
                await self._take(claim, key, findings)

    async def _take(self, claim: Claim, key: Key | None, findings: list[Finding]) -> None:
        try:
            finding = await self._taking.take(claim, key)
            if finding:
                findings.append(finding)
            written = finding.key if finding else key
            if written:
                await self._refresh(written)
        except StorageError as error:
            findings.append(
                Finding(
                    outcome=Outcome.WAITING,
                    path=self._folder.path / claim.name,
                    sentence=f"{claim.name}: not taken in yet: {error.message}",
                    key=key,
                )
            )

    async def _restore(self, seen: Look, findings: list[Finding]) -> None:
        for name, key in seen.missing:
            if await self._refresh(key) is Placed.RESTORED:
                findings.append(_restored(self._folder.path / name, key))

    async def _refresh(self, key: Key) -> Placed | Finding:
        placed: Placed | Finding = Placed.UNCHANGED
        for _ in range(_ROUNDS):
            record = await self._store.get(key)
            placed = await on_thread(partial(self._place_or_remove, key, record))
            later = await self._store.get(key)
            if _version(record) == _version(later):
                break
        return placed

    async def _follow(self, record: Record) -> None:
        """Write a face again if its record changed while it was written.

        So of several processes that write it, the last one leaves the newest.
        """
        later = await self._store.get(record.key)
        if _version(later) != record.version:
            await self._refresh(record.key)

    async def _remove_gone(self, live: set[str], tally: _Tally) -> None:
        for name in await on_thread(self._folder.remembered):
            if name in live:
                continue
            history = await on_thread(partial(self._folder.history, name))
            if history is None or history.key[: len(self._prefix)] != self._prefix:
                continue
            if await self._store.get(history.key) is None:
                placed = await on_thread(partial(self._folder.remove, name))
                tally.count_removed(placed, self._folder.path / name)

    def _place_all(self, records: Sequence[Record]) -> list[tuple[Record, Placed | Finding]]:
        return [(record, self._place(record)) for record in records]

    def _place_or_remove(self, key: Key, record: Record | None) -> Placed | Finding:
        return self._place(record) if record else self._folder.remove(self._name(key))

    def _place(self, record: Record) -> Placed | Finding:
        name = self._name(record.key)
        try:
            face = self._folder.render(name, record.key, record.version, record.value)
        except FaceError as error:
            return self._blocked(record.key, f"its record cannot be shown: {error.reason}")
        placed = self._folder.place(face)
        if placed is Placed.OBSTRUCTED:
            return self._blocked(record.key, "a folder, a link or a device has its name")
        return placed

    def _blocked(self, key: Key, reason: str) -> Finding:
        path = self.path_of(key)
        sentence = f"{path.name}: {reason}"
        return Finding(outcome=Outcome.BLOCKED, path=path, sentence=sentence, key=key)

    def _name(self, key: Key) -> str:
        return name_face(key[len(self._prefix) :], self._suffix)

    async def _pages(self) -> AsyncIterator[Sequence[Record]]:
        after: Key | None = None
        while True:
            page = await self._store.scan(self._prefix, after=after, limit=_PAGE)
            yield page
            if len(page) < _PAGE:
                return
            after = page[-1].key


@dataclass(slots=True)
class _Tally:
    """What one `write` did so far."""

    done: int = 0
    unchanged: int = 0
    removed: int = 0
    edited: list[Path] = field(default_factory=list[Path])
    blocked: list[Finding] = field(default_factory=list[Finding])
    restored: list[Finding] = field(default_factory=list[Finding])

    def count(self, placed: Placed | Finding, path: Path, key: Key) -> None:
        if isinstance(placed, Finding):
            self.blocked.append(placed)
        elif placed is Placed.UNCHANGED:
            self.unchanged += 1
        elif placed is Placed.EDITED:
            self.edited.append(path)
        else:
            self.done += 1
        if placed is Placed.RESTORED:
            self.restored.append(_restored(path, key))

    def count_removed(self, placed: Placed, path: Path) -> None:
        if placed is Placed.EDITED:
            self.edited.append(path)
        elif placed is Placed.WRITTEN:
            self.removed += 1

    def written(self) -> Written:
        return Written(
            written=self.done,
            unchanged=self.unchanged,
            removed=self.removed,
            edited=tuple(self.edited),
            blocked=tuple(self.blocked),
            restored=tuple(self.restored),
        )


def _restored(path: Path, key: Key) -> Finding:
    sentence = f"{path.name}: it was missing and is written anew; the record had stayed"
    return Finding(outcome=Outcome.RESTORED, path=path, sentence=sentence, key=key)


def _version(record: Record | None) -> int:
    return record.version if record else 0
