"""Commit groups: what the writing thread of a files store does.

For each group: look up what the index knows, take the lock, read what others wrote, decide, append,
give the lock back, sync, publish. An answer leaves only behind the sync, and so does a conflict:
it may tell of something that another process has not synced yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.clock import Clock
from holdfast.storage.files.cursor import Position
from holdfast.storage.files.drafts import Draft, Passed
from holdfast.storage.files.errors import translate
from holdfast.storage.files.journal import Journal
from holdfast.storage.files.lines import Line
from holdfast.storage.files.rebuild import IndexHandle
from holdfast.storage.files.requests import Work, compared_keys
from holdfast.storage.files.tail import Changes, changes_of
from holdfast.storage.files.view import View
from holdfast.storage.outcomes import Outcome

_DONE = Outcome()


class Writer:
    """The commits of one process, one group after the other."""

    def __init__(
        self,
        journal: Journal,
        view: View,
        *,
        clock: Clock,
        place: str,
        index: IndexHandle,
    ) -> None:
        self._journal = journal
        self._view = view
        self._clock = clock
        self._place = place
        self._index = index
        self._passed = Passed()
        self._is_crowded = False

    def serve(self, group: list[Work]) -> list[Outcome]:
        """Commit a group and return the outcome of each request."""
        try:
            if self._view.is_degraded:
                self._reopen()
            draft = self._draft(group)
            seen = self._journal.read_on() if self._is_crowded else []
            self._journal.lock()
        except Exception as error:  # noqa: BLE001 - delivered to the callers
            return self._give_up(error, group)
        return self._commit(group, draft, seen)

    def serve_now(self, group: list[Work]) -> list[Outcome] | None:
        """Do the same without waiting for others, or return None: it could take its time."""
        if self._view.is_degraded or not self._journal.is_quick:
            return None
        try:
            draft = self._draft(group)
            if not self._journal.try_lock():
                return None
        except Exception as error:  # noqa: BLE001 - delivered to the callers
            return self._give_up(error, group)
        return self._commit(group, draft, [])

    def close(self) -> None:
        """Close the connection to the index."""
        self._index.close()

    def _draft(self, group: list[Work]) -> Draft:
        return Draft(self._view, self._index, self._passed, compared_keys(group))

    def _commit(self, group: list[Work], draft: Draft, seen: list[Line]) -> list[Outcome]:
        """Commit a group with the lock, which is given back before the sync."""
        try:
            try:
                seen += self._journal.catch_up()
                draft.begin(seen, self._journal.position.version, self._now())
                answers = [work.run(draft) for work in group]
                numbers = self._write(draft)
            finally:
                self._journal.unlock()
            self._is_crowded = draft.has_foreign
            self._journal.sync()
            own = list(map(Changes, numbers, draft.changes))
            if own or self._journal.position.number > self._view.tail.position.number:
                self._view.publish(draft.read_foreign() + own, self._journal.position)
        except Exception as error:  # noqa: BLE001 - delivered to the callers
            return self._give_up(error, group)
        return [_DONE if answer is None else Outcome(answer) for answer in answers]

    def _give_up(self, error: Exception, group: list[Work]) -> list[Outcome]:
        self._view.give_up()
        self._passed.clear()
        return [self._failure(error) for _ in group]

    def _write(self, draft: Draft) -> Sequence[int]:
        if not draft.lines:
            return ()
        if draft.needs_format:
            self._journal.raise_format()
        entries = self._journal.prepare(draft.lines, draft.version)
        if not draft.has_foreign:
            self._view.begin_writing(entries.end)
        self._journal.write(entries)
        return entries.numbers

    def _reopen(self) -> None:
        """Find out what became of a write that failed, before anything else is written."""
        lines = self._journal.reopen(self._view.tail.position)
        self._publish(lines, self._journal.position)

    def _publish(self, lines: Sequence[Line], position: Position) -> None:
        self._view.publish(list(map(changes_of, lines)), position)

    def _now(self) -> int:
        return self._clock.now_ms()

    def _failure(self, error: Exception) -> Outcome:
        """Return the outcome for one caller; each gets an exception of its own."""
        failure = translate(error, self._place)
        if failure is not error:
            failure.__cause__ = error
        return Outcome(error=failure)
