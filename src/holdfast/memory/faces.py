"""One Markdown file for each entry, and what people edit in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from holdfast.clock import Clock
from holdfast.errors import CallerError, FaceError, HoldfastError, SecretFound
from holdfast.ids import ID_LENGTH
from holdfast.memory import batches
from holdfast.memory.batches import Stored
from holdfast.memory.belief import contradict
from holdfast.memory.drafts import Draft, Secrets, new_entry, settle_secrets
from holdfast.memory.entry import Entry, decode_entry, encode_entry
from holdfast.memory.events import Change, Event
from holdfast.memory.fields import BODY, FIXED, ORDER, read_draft, visible_fields
from holdfast.memory.keys import ENTRIES, FEED, feed_of, id_key, live_key, read_feed
from holdfast.memory.reading import Reader
from holdfast.storage.faces import Faces, Fields, MarkdownCodec, Report
from holdfast.storage.fallback import write_all
from holdfast.storage.seam import ABSENT, Conflict, Key, Put, Store
from holdfast.storage.threads import on_thread
from holdfast.storage.wrapping import WrappedStore

_SHOWN = ".shown"
_PAGE = 500
BY_HAND = "hand"
"""Who is named for what was edited in a file."""


class EntryFaces:
    """The readable files of the live entries, in one folder.

    Files are written for what changed since the last time, as the feed of the memory tells.
    """

    def __init__(self, store: Store, folder: Path, *, clock: Clock) -> None:
        self._store = store
        self._folder = folder
        self.faces = Faces(
            _EditedEntries(store, clock),
            ENTRIES,
            folder,
            codec=_EntryCodec(),
            clock=clock,
            accept=_accept,
            create=partial(_create, clock=clock),
        )

    async def take_in(self) -> Report:
        """Take what people edited into the memory, and say what became of it."""
        if not await on_thread(self._folder.is_dir):
            return Report()
        return await self.faces.take_in()

    async def catch_up(self) -> int:
        """Write the files of what changed; return how many entries that were."""
        number, mark = await on_thread(self._read_shown)
        first = await self._store.read(FEED, after=max(number - 1, 0), limit=_PAGE)
        if not number or not first or _hash(first[0].value) != mark:
            return await self.write_all_files()
        changed = 0
        entries = first[1:]
        while entries:
            for parts in dict.fromkeys(read_feed(each.value).parts for each in entries):
                await self.faces.refresh((*ENTRIES, *parts))
                changed += 1
            await self._note(entries[-1].number, entries[-1].value)
            entries = await self._store.read(FEED, after=entries[-1].number, limit=_PAGE)
        return changed

    async def write_all_files(self) -> int:
        """Look at the files of all entries; return how many were written or removed."""
        last, after = None, 0
        while page := await self._store.read(FEED, after=after, limit=_PAGE):
            last, after = page[-1], page[-1].number
        if last is None and not await on_thread(self._folder.is_dir):
            return 0  # nothing was ever remembered: no folder is made for it
        written = await self.faces.write()
        if last is not None:
            await self._note(last.number, last.value)
        return written.written + written.removed

    async def _note(self, number: int, value: bytes) -> None:
        await on_thread(partial(self._write_shown, f"{number} {_hash(value)}\n"))

    def _read_shown(self) -> tuple[int, str]:
        with suppress(OSError, ValueError):
            number, mark = (self._folder / _SHOWN).read_text(encoding="utf-8").split()
            return int(number), mark
        return 0, ""

    def _write_shown(self, text: str) -> None:
        # Derived: without it, or with a wrong one, all files are looked at again.
        with suppress(OSError):
            (self._folder / _SHOWN).write_text(text, encoding="utf-8")


class _EntryCodec(MarkdownCodec):
    """Show an entry without what only its history needs."""

    def __init__(self) -> None:
        super().__init__(body=BODY, first=ORDER)

    def load(self, value: bytes) -> Fields:
        try:
            return visible_fields(decode_entry(value))
        except HoldfastError as error:
            raise FaceError(1, error.message) from error

    def store(self, fields: Fields, value: bytes) -> bytes:
        return encode_entry(_revised(decode_entry(value), read_draft(fields)))


def _revised(entry: Entry, draft: Draft) -> Entry:
    return replace(entry, **{each.name: getattr(draft, each.name) for each in fields(draft)})


def _accept(key: Key, before: Fields, after: Fields) -> str | None:  # noqa: ARG001 - its form
    for name in FIXED:
        if before.get(name) != after.get(name):
            return f"the field {name!r} cannot be edited"
    return _refusal(after, "allow" if _holds_secret(before) else "refuse")


def _holds_secret(shown: Fields) -> bool:
    """Tell whether somebody allowed a secret in it."""
    try:
        settle_secrets(read_draft(shown), "refuse")
    except SecretFound:
        return True
    return False


def _refusal(shown: Fields, secrets: Secrets = "refuse") -> str | None:
    try:
        settle_secrets(read_draft(shown), secrets)
    except SecretFound as error:
        return error.message
    except CallerError as error:
        return f"{error.message} ({error.hint})" if error.hint else error.message
    return None


def _create(name: str, shown: Fields, *, clock: Clock) -> Put | str:
    """Return the write that makes an entry of a new file; its id follows from the file.

    So taking in one file twice, because the process died in between, makes one entry.
    """
    if "id" in shown:
        return "it is the file of an entry that is not in this store"
    if reason := _refusal(shown):
        return reason
    digest = sha256(f"{name}\n{json.dumps(shown, sort_keys=True)}".encode()).hexdigest()
    entry = new_entry(read_draft(shown), entry_id=digest[:ID_LENGTH], now=clock.now_ms())
    return Put(key=live_key(entry), value=encode_entry(entry), expected=ABSENT)


class _EditedEntries(WrappedStore):
    """The store as the faces see it: what they write becomes an event as any other change."""

    def __init__(self, inner: Store, clock: Clock) -> None:
        super().__init__(inner)
        self._clock = clock

    async def put(
        self,
        key: Key,
        value: bytes,
        *,
        expected: int,
        expires_at: int | None = None,  # noqa: ARG002 - records of entries have neither
        due_at: int | None = None,  # noqa: ARG002
    ) -> int | Conflict:
        edited = decode_entry(value)
        if expected == ABSENT:
            return await self._create(edited)
        record = await self.inner.get(key)
        if record is None or record.version != expected:
            return Conflict(record.version if record else ABSENT)
        stored = Stored(decode_entry(record.value), key, record.version)
        event = Event(
            change=Change.REVISED,
            at=max(self._clock.now_ms(), stored.entry.updated_at),
            entry=replace(edited, contradicts=await self._against(edited)),
            by=BY_HAND,
        )
        after, operations = batches.change(stored, event)
        return await self._commit([*operations, feed_of([after])], key)

    async def _create(self, entry: Entry) -> int | Conflict:
        if known := await self.inner.get(id_key(entry.id)):
            return Conflict(known.version)
        entry = replace(entry, contradicts=await self._against(entry))
        operations = batches.create(entry, by=BY_HAND)
        return await self._commit([*operations, feed_of([entry])], live_key(entry))

    async def _against(self, entry: Entry) -> tuple[str, ...]:
        if not entry.key:
            return ()
        reader = Reader(self.inner, clock=self._clock)
        peers = await reader.about(entry.namespace, entry.key)
        return tuple(each.entry.id for each in peers if contradict(each.entry, entry))

    async def _commit(self, operations: Sequence[batches.Operation], key: Key) -> int | Conflict:
        if conflict := await write_all(self.inner, operations):
            return Conflict(conflict.current)
        record = await self.inner.get(key)
        return record.version if record else 1


def _hash(value: bytes) -> str:
    return sha256(value).hexdigest()[:32]
