"""Write, supersede, forget: every change is one batch, and none overwrites what was known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from holdfast.clock import Clock
from holdfast.errors import EntryEnded, StorageUnavailable, UsageError
from holdfast.ids import new_entry_id
from holdfast.memory import batches
from holdfast.memory.batches import Stored
from holdfast.memory.belief import LIVE, contradict, is_same_value, state_of
from holdfast.memory.drafts import Draft, Secrets, check_draft, new_entry, settle_secrets
from holdfast.memory.entry import End, Entry, provenance_members, write_json
from holdfast.memory.events import Change, Event
from holdfast.memory.keys import feed_of
from holdfast.memory.reading import Reader
from holdfast.storage.fallback import write_all
from holdfast.storage.seam import Operation, Store

_ROUNDS = 20
"""How often a change is tried while others change the same entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a draft.

    `is_new` is false where the same was believed already: that entry is confirmed.
    `contradicts` are other entries that are believed about the same subject, `superseded` those that
    it replaced. `redacted` is how many secrets were taken out of it.
    """

    entry: Entry
    is_new: bool = True
    contradicts: tuple[Entry, ...] = ()
    superseded: tuple[Entry, ...] = ()
    redacted: int = 0


class Writer:
    """What changes the memory."""

    def __init__(self, store: Store, reader: Reader, *, clock: Clock) -> None:
        self._store = store
        self._reader = reader
        self._clock = clock

    async def write(
        self, draft: Draft, *, supersedes: Sequence[str] = (), secrets: Secrets = "refuse"
    ) -> Written:
        """Remember something, in place of the entries with the ids `supersedes`.

        Raises:
            UsageError: the draft cannot be remembered so.
            SecretFound: it looks as if it held a key or a password.
            EntryNotFound, EntryEnded: what it is to supersede is not there, or ended already.
        """
        draft, redacted = settle_secrets(check_draft(draft), secrets)
        for _ in range(_ROUNDS):
            written = await self._try_write(draft, supersedes)
            if written:
                return replace(written, redacted=redacted)
        raise _busy()

    async def forget(self, entry_id: str, *, by: str = "", why: str = "") -> Entry:
        """End an entry; a tombstone with its history stays.

        Raises:
            EntryNotFound, EntryEnded: it is not there, or ended already.
        """
        for _ in range(_ROUNDS):
            stored = await self._not_ended(entry_id)
            now = self._moment(stored.entry)
            ended = replace(stored.entry, end=End.FORGOTTEN, ended_at=now, ended_by=by, why=why)
            event = Event(change=Change.FORGOTTEN, at=now, entry=ended, by=by, why=why)
            after, operations = batches.put_away(stored, event)
            if await self._commit(operations, [after]):
                return after
        raise _busy()

    async def sweep(self) -> int:
        """Put away what has expired; return how many entries that were."""
        swept = 0
        for stored in await self._reader.due(self._clock.now_ms()):
            event = Event(change=Change.SWEPT, at=self._moment(stored.entry), entry=stored.entry)
            after, operations = batches.put_away(stored, event)
            swept += await self._commit(operations, [after])
        return swept

    async def _try_write(self, draft: Draft, supersedes: Sequence[str]) -> Written | None:
        now = self._clock.now_ms()
        if draft.expires_at is not None and draft.expires_at <= now:
            raise UsageError(
                "it would have expired before it is written", hint="give a later `expires_at`"
            )
        old = {each.entry.id: each for each in [await self._not_ended(id_) for id_ in supersedes]}
        # Not before what it replaces was known, whatever the clocks of two machines say.
        now = max([now, *(each.entry.updated_at for each in old.values())])
        about = await self._reader.about(draft.namespace, draft.key) if draft.key else []
        peers = [
            each for each in about if each.entry.id not in old and state_of(each.entry, now) in LIVE
        ]
        entry = new_entry(draft, entry_id=new_entry_id(), now=now)
        same = next((each for each in peers if _says_the_same(each.entry, entry)), None)
        if same and not old:
            return await self._confirm(same, draft, [each.entry for each in peers])
        against = tuple(each.entry for each in peers if contradict(each.entry, entry))
        entry = replace(
            entry, supersedes=tuple(old), contradicts=tuple(each.id for each in against)
        )
        return await self._create(entry, list(old.values()), against)

    async def _create(
        self, entry: Entry, old: Sequence[Stored], against: tuple[Entry, ...]
    ) -> Written | None:
        by = entry.provenance.by
        operations = batches.create(entry, by=by)
        ended: list[Entry] = []
        for stored in old:
            now = self._moment(stored.entry, entry.recorded_at)
            end = replace(
                stored.entry,
                end=End.SUPERSEDED,
                ended_at=now,
                ended_by=by,
                superseded_by=entry.id,
            )
            event = Event(change=Change.SUPERSEDED, at=now, entry=end, by=by)
            after, more = batches.put_away(stored, event)
            operations += more
            ended.append(after)
        if not await self._commit(operations, [entry, *ended]):
            return None
        return Written(entry=entry, contradicts=against, superseded=tuple(ended))

    async def _confirm(
        self, stored: Stored, draft: Draft, peers: Sequence[Entry]
    ) -> Written | None:
        said = write_json(provenance_members(draft.provenance))
        event = Event(
            change=Change.CONFIRMED,
            at=self._moment(stored.entry),
            entry=stored.entry,
            by=draft.provenance.by,
            why="" if said == "{}" else said,
        )
        after, operations = batches.change(stored, event)
        if not await self._commit(operations, [after]):
            return None
        against = tuple(each for each in peers if contradict(each, after))
        return Written(entry=after, is_new=False, contradicts=against)

    async def _not_ended(self, entry_id: str) -> Stored:
        stored = await self._reader.find(entry_id)
        entry = stored.entry
        if stored.is_live:
            return stored
        if entry.end is End.SUPERSEDED:
            raise EntryEnded(
                f"the entry {entry.id[:8]} was superseded by {entry.superseded_by[:8]}",
                hint=f"change that one: {entry.superseded_by[:8]}",
            )
        how = "was forgotten" if entry.end is End.FORGOTTEN else "has expired"
        raise EntryEnded(f"the entry {entry.id[:8]} {how}", hint="write a new one")

    def _moment(self, entry: Entry, now: int | None = None) -> int:
        """Return the time, never before what happened to the entry already."""
        return max(self._clock.now_ms() if now is None else now, entry.updated_at)

    async def _commit(self, operations: Sequence[Operation], changed: Sequence[Entry]) -> bool:
        return await write_all(self._store, [*operations, feed_of(changed)]) is None


def _says_the_same(one: Entry, other: Entry) -> bool:
    """Tell whether one would add nothing to the other: also not for another time."""
    return (
        one.kind is other.kind
        and is_same_value(one, other)
        and (one.title, one.reason, one.alternatives, one.standing)
        == (other.title, other.reason, other.alternatives, other.standing)
        and (one.valid_from, one.valid_until, one.expires_at)
        == (other.valid_from, other.valid_until, other.expires_at)
    )


def _busy() -> StorageUnavailable:
    return StorageUnavailable(
        f"others changed the same entries of the memory {_ROUNDS} times in a row",
        hint="try again; nothing was changed",
    )
