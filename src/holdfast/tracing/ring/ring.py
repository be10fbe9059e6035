"""Journal spans in memory that the kernel keeps when the process is killed.

What is written is in the page cache at once: every other process sees it, `kill -9` takes nothing
of it, and a power cut takes what the kernel has not written yet (`sync_seconds` bounds that). When
a segment is full the next one is made; whoever reads removes what has been read, and nobody waits
for that.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Self
from weakref import WeakSet

from holdfast.clock import Clock
from holdfast.tracing.active import write
from holdfast.tracing.entries import Part
from holdfast.tracing.records.encoding import loss_of
from holdfast.tracing.records.layout import (
    BEGINNING,
    HEADER,
    LONGEST,
    LOSS,
    PART,
    VERSION,
    Header,
    pack_record,
)
from holdfast.tracing.records.scanning import Record, records_in
from holdfast.tracing.ring.place import RingPlace
from holdfast.tracing.ring.process import boot_id, started_ticks
from holdfast.tracing.ring.segment import Allocate, Segment, allocate
from holdfast.tracing.span import Span

FIRST_BYTES: Final = 256 << 10
FULL_BYTES: Final = 4 << 20
RETRY_NS: Final = 100_000_000
"""How long nobody asks again for room that there was not."""

_ROOM_FOR_LOSS: Final = 4096
_rings: WeakSet[Ring] = WeakSet()


def _refuse(record: bytes) -> int:  # noqa: ARG001 - as if there were a segment, and it were full
    raise ValueError


class Ring:
    """The sink that journals. Nothing is made on the disk before there is something to write.

    A write takes no lock: one call into the interpreter's own code takes the room and fills it, and
    no other thread, signal handler or finalizer comes in between.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        sync_seconds: float | None = None,
        first_bytes: int = FIRST_BYTES,
        full_bytes: int = FULL_BYTES,
        allocate: Allocate = allocate,
    ) -> None:
        self.folder = folder
        self._clock = clock
        self._allocate = allocate
        self._sync_seconds = sync_seconds
        self._first_bytes, self._full_bytes = first_bytes, full_bytes
        self._reset()
        _rings.add(self)

    @classmethod
    def open(cls, folder: Path, *, clock: Clock, sync_seconds: float | None = None) -> Self:
        """Return the ring of this process among those below `folder`.

        With `sync_seconds`, what was written is on the disk at most so many seconds later, and when
        the ring is closed.
        """
        return cls(folder, clock=clock, sync_seconds=sync_seconds)

    @property
    def id(self) -> str:
        """The name of the ring that is being written, empty as long as there is none."""
        return self._place.path.name if self._place else ""

    @property
    def lost(self) -> int:
        """How many spans and parts could not be written, and no record tells of it yet."""
        return self._lost

    @property
    def why(self) -> str:
        """Why something could not be written, the last time that happened."""
        return self._why

    def part(self, hash_: bytes, data: bytes) -> None:
        """Keep a compressed part of a payload under the 16 bytes of its hash."""
        write(self, pack_record(PART, hash_ + data))

    def close(self) -> None:
        """Let go of the ring; what is in it waits for a reader. A later span begins another one."""
        with self._lock:
            segment = self._segment
            self._segment, self.put = None, _refuse
            if segment is not None:
                self._look_after(segment)
            self._sync()
            self._leave_place()
            self._closed.set()
            self._closed, self._is_synced = threading.Event(), False

    def spill(self, record: bytes) -> None:
        """Write into a new segment. What a finalizer or a signal handler adds meanwhile waits."""
        with self._lock:
            self._waiting.append(record)
            while self._waiting and not self._is_spilling:
                self._is_spilling = True
                try:
                    self._write_waiting()
                finally:
                    self._is_spilling = False

    def _write_waiting(self) -> None:
        while self._waiting:
            each = self._waiting.popleft()
            try:
                self._place_one(each)
            except BaseException:  # Ctrl-C: once more, for twice does no harm
                self._place_one(each)
                raise

    def _place_one(self, record: bytes) -> None:
        if len(record) > LONGEST:
            self._lose(record, f"a record of {len(record)} bytes is too long")
        elif not self._has_taken(record) and not self._extend(record):
            self._lose(record, self._why)

    def _has_taken(self, record: bytes) -> bool:
        try:
            self.put(record)
        except ValueError:
            return False
        return True

    def _lose(self, record: bytes, why: str) -> None:
        self._why = why
        if record.startswith(BEGINNING):
            return  # the span is lost if its end is
        self._lost += 1
        if self._segment is not None:
            self._segment.note_lost(self._lost)

    def _extend(self, record: bytes) -> bool:
        """Make the next segment the current one, the record in it; false if there is no room.

        The record goes in before others see the segment: they might fill it up in the meantime.
        """
        now = self._clock.monotonic_ns()
        if self._retry_ns is not None and now < self._retry_ns:
            return False
        old = self._segment
        try:
            if old is not None and not old.is_there():
                self._start_again(old)
            new = self._make(HEADER + len(record) + _ROOM_FOR_LOSS)
        except Exception as error:  # noqa: BLE001 - the application goes on whatever it is
            self._why, self._retry_ns = f"no room for spans: {error}", now + RETRY_NS
            return False
        self._retry_ns = None
        if self._lost:
            new.put(pack_record(LOSS, loss_of(self._lost, self._why)))
            self._lost = 0
        new.put(record)
        self._segment, self.put = new, new.put
        return True

    def _make(self, least: int) -> Segment:
        """Make the next segment, and the place of all of them if it is the first."""
        place = self._place or RingPlace(self.folder)
        size = max(min(self._first_bytes << 2 * self._number, self._full_bytes), least)
        try:
            segment = Segment(place.path, self._header(), size, self._allocate)
            if self._place is None:
                place.publish()
                segment.path = place.path / segment.path.name
        except BaseException:
            if self._place is None:
                place.remove()
            raise
        if self._sync_seconds is not None:
            self._unsynced.append(segment)
            self._sync_now_and_then(self._sync_seconds)
        self._place, self._number = place, self._number + 1
        return segment

    def _header(self) -> Header:
        return Header(
            VERSION, boot_id(), os.getpid(), started_ticks(), self._number,
            self._clock.now_ms() * 1_000_000, self._clock.monotonic_ns(), 0,
        )  # fmt: skip

    def _start_again(self, gone: Segment) -> None:
        """Begin another ring: somebody has removed this one while it was written."""
        self._look_after(gone)
        self._segment, self.put = None, _refuse
        self._leave_place()

    def _leave_place(self) -> None:
        if self._place is not None:
            self._place.release()
        self._place, self._number = None, 0

    def _look_after(self, segment: Segment) -> None:
        """Count what nobody is ever going to read."""
        if not segment.is_there():
            records = records_in(segment.map[:], HEADER, is_over=True)
            self._lost += sum(
                isinstance(each, Record) and isinstance(each.entry, (Span, Part))
                for each in records
            )
            self._why = f"{str(segment.path.parent)!r} was removed while it was written"

    def _sync_now_and_then(self, seconds: float) -> None:
        if self._is_synced:
            return
        self._is_synced, closed = True, self._closed

        def sync() -> None:
            while not closed.wait(seconds):
                self._sync()

        threading.Thread(target=sync, name="holdfast-ring", daemon=True).start()

    def _sync(self) -> None:
        """Have on the disk what was written since the last time."""
        segments = list(self._unsynced)
        for segment in segments:
            with suppress(OSError):
                segment.sync()
            if segment is not self._segment:
                with suppress(ValueError):  # a thread may have been quicker
                    self._unsynced.remove(segment)

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._waiting: deque[bytes] = deque()
        self._is_spilling = False
        self._segment: Segment | None = None
        self.put: Callable[[bytes], int] = _refuse
        self._place: RingPlace | None = None
        self._number = 0
        self._lost, self._why = 0, ""
        self._retry_ns: int | None = None
        self._closed, self._is_synced = threading.Event(), False
        self._unsynced: deque[Segment] = deque()

    def before_fork(self) -> None:
        """Let nobody be in the middle of a spill."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; a child begins a ring of its own and leaves that of its parent alone."""
        if not in_child:
            self._lock.release()
            return
        self._leave_place()
        self._reset()


_forking: list[Ring] = []


def _before_fork() -> None:
    held = list(_rings)
    for ring in held:
        ring.before_fork()
    _forking[:] = held


def _after_fork(*, in_child: bool) -> None:
    held = list(_forking)
    _forking.clear()
    for ring in held:
        ring.after_fork(in_child=in_child)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=partial(_after_fork, in_child=False),
        after_in_child=partial(_after_fork, in_child=True),
    )
