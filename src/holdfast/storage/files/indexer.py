"""Carry frozen generations into the index and compress sealed segments, in the background."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from holdfast.clock import Clock
from holdfast.ids import new_file_id
from holdfast.storage.files.disk import Disk
from holdfast.storage.files.parity import protect
from holdfast.storage.files.rebuild import IndexHandle
from holdfast.storage.files.segments import (
    COMPRESSED,
    SHARED,
    compress,
    is_whole,
    read_file,
    segment_name,
    segment_numbers,
    without_zeros,
)
from holdfast.storage.files.tail import Generation
from holdfast.storage.files.view import View
from holdfast.storage.warning import warn


class Indexer:
    """One thread that works off what the others hand over."""

    def __init__(
        self,
        folder: Path,
        view: View,
        *,
        disk: Disk,
        clock: Clock,
        index: IndexHandle,
    ) -> None:
        self._folder = folder
        self._view = view
        self._disk = disk
        self._clock = clock
        self._index = index
        self._queue: SimpleQueue[Generation | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._failed = False

    def hand_over(self, generation: Generation) -> None:
        """Take a frozen generation over soon. Called under the lock of the view."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="holdfast-files-indexer", daemon=True
            )
            self._thread.start()
        self._queue.put(generation)

    def stop(self) -> None:
        """Finish what was handed over."""
        if self._thread:
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        try:
            while generation := self._queue.get():
                if not self._failed:
                    self._take_over(generation)
        finally:
            self._index.close()

    def _take_over(self, generation: Generation) -> None:
        try:
            index = self._index.reaching(generation.begin)
            index.apply(generation, self._clock.now_ms())
        except (sqlite3.Error, OSError) as error:
            # The generation stays where it is and is read there; the next opening tries again.
            self._failed = True
            warn("the index in %s cannot be written: %s", self._folder, error)
            return
        self._view.indexed()
        applied = index.position()
        if applied:
            with suppress(OSError):
                compress_sealed(self._disk, self._folder, before=applied.segment)


def compress_sealed(disk: Disk, folder: Path, *, before: int) -> None:
    """Compress the segments of lower numbers that are not yet, unless they are damaged.

    Two processes may do it at once: both write the same. What git carries stays as it is: another
    clone may go on with a segment that is sealed here, and git can merge it only under its name.
    """
    plain = set(disk.names(folder))
    if SHARED in plain:
        return
    for number in segment_numbers(disk, folder):
        if number < before and segment_name(number) in plain:
            _compress(disk, folder, number)


def _compress(disk: Disk, folder: Path, number: int) -> None:
    path = folder / segment_name(number)
    data = without_zeros(read_file(disk, path))
    if not is_whole(data):
        return
    packed = folder / f"{new_file_id()}.tmp"
    write_file(disk, packed, protect(compress(data)))
    disk.rename(packed, folder / f"{path.stem}{COMPRESSED}")
    disk.sync_folder(folder)
    disk.unlink(path)


def write_file(disk: Disk, path: Path, data: bytes) -> None:
    """Write a whole file and make its content durable."""
    handle = disk.open(path, exclusive=True)
    try:
        written = 0
        while written < len(data):
            written += disk.write(handle, data[written:], written)
        disk.sync(handle)
    finally:
        disk.close(handle)
