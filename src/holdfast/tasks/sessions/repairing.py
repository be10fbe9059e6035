"""Make what is derived of sessions anew from their logs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from holdfast.errors import StorageCorrupt, StorageTooNew
from holdfast.storage.fallback import write_all
from holdfast.storage.paging import every_log
from holdfast.storage.seam import ABSENT, ANY, Put, Store
from holdfast.tasks.chains import require_listing
from holdfast.tasks.sessions.fold import Fold, broken_links
from holdfast.tasks.sessions.keys import session_key, session_log, time_key
from holdfast.tasks.sessions.record import Snapshot
from holdfast.tasks.sessions.snapshots import encode_snapshot


@dataclass(slots=True, kw_only=True)
class RepairedSessions:
    """What a repair found, and mended unless it was only to look.

    `damaged` are logs that cannot be read, with why; they are left alone. `altered` are sessions whose
    log is not the one that was written, with the numbers of the entries whose link is broken.
    """

    dry_run: bool
    sessions: int = 0
    rewritten: list[str] = field(default_factory=list[str])
    damaged: dict[str, str] = field(default_factory=dict[str, str])
    altered: dict[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])

    @property
    def is_clean(self) -> bool:
        """Whether there was nothing to mend and nothing to tell."""
        return not (self.rewritten or self.damaged or self.altered)


async def repair(store: Store, *, dry_run: bool) -> RepairedSessions:
    """Bring all that is derived up to the logs.

    Raises:
        UsageError: the store cannot name its logs.
    """
    report = RepairedSessions(dry_run=dry_run)
    async for session_id in _session_ids(store):
        entries = [entry.value for entry in await store.read(session_log(session_id))]
        fold = Fold(session_id)
        try:
            for data in entries:
                fold.take(data)
            snapshot = fold.snapshot()
        except (StorageCorrupt, StorageTooNew) as error:
            report.damaged[session_id] = error.message
            continue
        report.sessions += 1
        if broken := broken_links(session_id, entries):
            report.altered[session_id] = broken
        if await _mend(store, snapshot, dry_run=dry_run):
            report.rewritten.append(session_id)
    return report


async def _mend(store: Store, snapshot: Snapshot, *, dry_run: bool) -> bool:
    """Put the record and its place in the list, if they are not what they should be."""
    session = snapshot.session
    record = await store.get(session_key(session.owner, session.id))
    value, name = encode_snapshot(snapshot), session.name.encode("utf-8", "surrogatepass")
    listed = await store.get(time_key(session))
    if record and listed and (record.value, listed.value) == (value, name):
        return False
    if not dry_run:
        expected = record.version if record else ABSENT
        put = Put(key=session_key(session.owner, session.id), value=value, expected=expected)
        # A conflict means that somebody just wrote a newer record, which is as good.
        await write_all(store, [put])
        await write_all(store, [Put(key=time_key(session), value=name, expected=ANY)])
    return True


async def _session_ids(store: Store) -> AsyncIterator[str]:
    async for name in every_log(require_listing(store), ("session",)):
        if len(name) == 2:
            yield name[1]
