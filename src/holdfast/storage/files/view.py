"""What the threads of one files store share: the tail, and whether it is the end of the journal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import chain

from holdfast.storage.files.cursor import Cursor, Position
from holdfast.storage.files.tail import Change, Changes, Generation, Stored, Tail
from holdfast.storage.watchers import Watchers

FREEZE_CHANGES = 10_000
FREEZE_BYTES = 8 * 1024 * 1024
"""From this size on the active generation goes to the index. It is what a start reads again."""


class View:
    """The published state of a store. `lock` guards the tail and everything else here."""

    def __init__(self, tail: Tail, probe: Cursor, watchers: Watchers, *, has_index: bool) -> None:
        self.lock = threading.Lock()
        self.tail = tail
        self.has_index = has_index
        self.is_degraded = False
        """A write failed and what lies behind the tail is doubtful: nobody may look at it."""
        self.on_frozen: Callable[[Generation], None] | None = None
        self._probe = probe
        self._watchers = watchers
        self._own_end: Position | None = None

    def is_fresh(self) -> bool:
        """Return whether no other process has written behind the tail.

        What this process is writing at the moment does not count: it was not acknowledged yet.
        """
        with self.lock:
            if self.is_degraded:
                return True
            self._probe.move(self._own_end or self.tail.position)
            return not self._probe.holds_more()

    def begin_writing(self, end: Position) -> None:
        """Say that this process writes from the tail to `end`, and nobody else has."""
        with self.lock:
            self._own_end = end

    def publish(self, lines: Sequence[Changes], position: Position) -> None:
        """Show readers what is durable now, and tell the watchers."""
        with self.lock:
            fresh = self.tail.publish(lines, position)
            self._own_end = None
            self.is_degraded = False
            self._freeze()
        if self._watchers:
            self._watchers.tell(map(_name, chain.from_iterable(line.changes for line in fresh)))

    def give_up(self) -> None:
        """Keep readers in front of what may not be durable."""
        with self.lock:
            self._own_end = None
            self.is_degraded = True

    def indexed(self) -> None:
        """Drop the frozen generation: the index has it."""
        with self.lock:
            self.has_index = True
            self.tail.thaw()

    def close(self) -> None:
        """Give the handle back."""
        with self.lock:
            self._probe.close()

    def _freeze(self) -> None:
        active = self.tail.active
        if is_heavy(active) and self.tail.frozen is None and self.on_frozen:
            self.on_frozen(self.tail.freeze())


def is_heavy(generation: Generation) -> bool:
    """Return whether a generation is worth being carried into the index."""
    return generation.count >= FREEZE_CHANGES or generation.weight >= FREEZE_BYTES


def _name(change: Change) -> bytes:
    return change.key if isinstance(change, Stored) else change.log
