"""Stores with a fault in erasing, and what finds it."""

from __future__ import annotations

from holdfast.storage.keys import encode_key, encode_prefix
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ANY, Conflict, Key
from tests.storage.negative_rules import ERASE, pause


class ErasesWhateverIsExpected(MemoryStore):
    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        await super().erase(log, expected=ANY)


class ErasesInTwoSteps(MemoryStore):
    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        current = self._last(encode_key(log))
        await pause()
        if expected not in (ANY, current):
            return Conflict(current)
        return await super().erase(log, expected=ANY)


class BeginsTheNumbersAgain(MemoryStore):
    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        conflict = await super().erase(log, expected=expected)
        self._erased.clear()
        return conflict


class ForgetsErasedNumbersWhenClosed(MemoryStore):
    async def __aenter__(self):
        self._erased = {name: last for name, last in self._erased.items() if name in self._logs}
        return await super().__aenter__()


class TellsErasedNumbers(MemoryStore):
    """An erased log that is not empty to writers: whoever knew its last entry may go on."""

    def _last(self, name: bytes) -> int:
        return super()._last(name) or self._erased.get(name, 0)


class NamesErasedLogs(MemoryStore):
    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        before = list(self._log_order)
        conflict = await super().erase(log, expected=expected)
        self._log_order = before
        return conflict


class KeepsTheLastEntry(MemoryStore):
    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        name = encode_key(log)
        last = self._logs.get(name, [])[-1:]
        conflict = await super().erase(log, expected=expected)
        if conflict is None and last:
            await super().append(log, last)
        return conflict


class ErasesWhatLiesBelow(MemoryStore):
    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        conflict = await super().erase(log, expected=expected)
        if conflict is None:
            for name in [name for name in self._logs if name.startswith(encode_prefix(log))]:
                del self._logs[name]
                self._log_order.remove(name)
        return conflict


class ErasesTheRecordToo(MemoryStore):
    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        conflict = await super().erase(log, expected=expected)
        if conflict is None:
            await self.delete(log, expected=ANY)
        return conflict


class ErasesInSilence(MemoryStore):
    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        watchers, self._watchers = self._watchers, type(self._watchers)("memory://")
        try:
            return await super().erase(log, expected=expected)
        finally:
            self._watchers = watchers


class ErasesWhenClosed(MemoryStore):
    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        was_open, self._open = self._open, True
        try:
            return await super().erase(log, expected=expected)
        finally:
            self._open = was_open


FOUND_BY = [
    (
        ErasesWhateverIsExpected,
        ERASE.test_another_last_number_is_refused_and_nothing_removed,
        {"expected": 1},
    ),
    (ErasesInTwoSteps, ERASE.test_of_many_erasures_one_removes_the_log, {}),
    (
        ErasesInTwoSteps,
        ERASE.test_an_append_and_an_erasure_that_expect_the_same_exclude_each_other,
        {},
    ),
    (BeginsTheNumbersAgain, ERASE.test_a_log_goes_on_behind_the_numbers_that_were_erased, {}),
    (BeginsTheNumbersAgain, ERASE.test_a_log_can_be_erased_again_and_again, {}),
    (BeginsTheNumbersAgain, ERASE.test_no_number_is_given_twice_beside_erasures, {}),
    (ForgetsErasedNumbersWhenClosed, ERASE.test_an_erasure_and_its_numbers_outlive_a_closing, {}),
    (
        TellsErasedNumbers,
        ERASE.test_a_late_writer_that_expects_an_erased_entry_is_refused,
        {"expected": 2},
    ),
    (TellsErasedNumbers, ERASE.test_another_handle_that_knew_the_log_is_refused, {}),
    (TellsErasedNumbers, ERASE.test_a_batch_meets_an_erased_log_as_an_empty_one, {}),
    (NamesErasedLogs, ERASE.test_an_erased_log_is_empty_to_every_reader, {}),
    (KeepsTheLastEntry, ERASE.test_any_erases_whatever_is_there, {}),
    (ErasesWhatLiesBelow, ERASE.test_an_erasure_leaves_everything_else, {}),
    (ErasesTheRecordToo, ERASE.test_an_erasure_leaves_everything_else, {}),
    (ErasesInSilence, ERASE.test_an_erasure_wakes_those_who_watch, {}),
    (ErasesWhenClosed, ERASE.test_a_closed_store_erases_nothing, {}),
]

FOUND_BY_THE_MACHINE = [
    ErasesWhateverIsExpected,
    BeginsTheNumbersAgain,
    TellsErasedNumbers,
    NamesErasedLogs,
    KeepsTheLastEntry,
]
