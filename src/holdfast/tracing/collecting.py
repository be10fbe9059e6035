"""Move what processes have journaled into the trace store, each entry exactly once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from holdfast.errors import StorageTooNew
from holdfast.frozen import frozen
from holdfast.tracing.entries import Loss
from holdfast.tracing.ring.reading import RingFiles, remains, rings, sweep_drafts
from holdfast.tracing.store.seam import TraceStore
from holdfast.tracing.watching import UNWATCHED, Watch


@frozen
class Collected:
    """What came in: entries; open spans of processes that have died since; what had been lost.

    `left` names rings that were left alone, with the reason.
    """

    entries: int = 0
    lost: int = 0
    losses: int = 0
    left: tuple[str, ...] = ()


def collect(folder: Path, store: TraceStore, *, watch: Watch = UNWATCHED) -> Collected:
    """Take in all that is in the rings below `folder`; `watch` is told of it now and then.

    Any process may do this at any time, several at once too. The ring of a process that has died is
    read to its end, its open spans become `lost`, and its files are deleted.

    Raises:
        StorageError: the store failed; what it did not take stays in the rings.
    """
    sweep_drafts(folder)
    done = [_bury(ring, store) for ring in remains(folder)]
    done += [_take(ring, store, watch) for ring in rings(folder)]
    return _sum(done)


def _take(ring: RingFiles, store: TraceStore, watch: Watch) -> Collected:
    with ring.held() as is_ours:
        if not is_ours:
            return Collected()
        is_dead = not ring.alive
        try:
            taken = _read(ring, store, watch)
        except StorageTooNew as error:
            return Collected(left=(str(error),))
        if not is_dead:
            return taken
        ring.put_aside()
        return _sum([taken, _bury(ring, store)])


def _read(ring: RingFiles, store: TraceStore, watch: Watch) -> Collected:
    entries = losses = 0
    was = store.position(ring.id)
    while True:
        batch = ring.read(was)
        if batch.now != was:
            if not store.advance(ring.id, batch.entries, was=was, now=batch.now):
                was = store.position(ring.id)
                continue
            ring.remove(batch.now)
            entries += len(batch.entries)
            watch.collected(len(batch.entries))
            losses += sum(each.count for each in batch.entries if isinstance(each, Loss))
        was = batch.now
        if batch.at_end:
            return Collected(entries=entries, losses=losses)


def _bury(ring: RingFiles, store: TraceStore) -> Collected:
    """Name the spans of a dead process that never ended. A second time does nothing."""
    lost = store.bury(ring.id, at_ns=ring.last_known_ns)
    ring.discard()
    return Collected(lost=lost)


def _sum(parts: Iterable[Collected]) -> Collected:
    each = list(parts)
    return Collected(
        entries=sum(one.entries for one in each),
        lost=sum(one.lost for one in each),
        losses=sum(one.losses for one in each),
        left=tuple(text for one in each for text in one.left),
    )
