"""The judge of histories: it accepts what could have happened and nothing else."""

from __future__ import annotations

import asyncio
from itertools import count, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import StorageUnavailable
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ABSENT, ANY, Append, Conflict, Delete, Put
from holdfast.testing.clock import ManualClock
from holdfast.testing.linearizability import (
    PENDING,
    Call,
    Extend,
    Lease,
    Log,
    Read,
    ReadLog,
    Register,
    Remove,
    Write,
    find_order,
)
from holdfast.testing.recording import Recorder, RecordingStore
from holdfast.testing.stores import FaultyStore

A, B, C = b"a", b"b", b"c"
W = Write


def _one_by_one(*calls):
    """Return calls of which each begins behind the end of the one before."""
    return [Call(2 * n, 2 * n + 1, action, answer) for n, (action, answer) in enumerate(calls)]


def _all_at_once(*calls):
    return [Call(n, 100 + n, action, answer) for n, (action, answer) in enumerate(calls)]


def _happens(history, model=None) -> bool:
    return find_order(history, model or Register()) is not None


SEQUENTIAL = {
    "nothing": [],
    "read of nothing": [(Read(), None)],
    "create, read": [(W(A, ABSENT), 3), (Read(), (A, 3))],
    "replace": [(W(A, ABSENT), 3), (W(B, 3), 8), (Read(), (B, 8))],
    "replace anything": [(W(A, ANY), 1), (W(B, ANY), 2), (Read(), (B, 2))],
    "refused create": [(W(A, ABSENT), 3), (W(B, ABSENT), Conflict(3)), (Read(), (A, 3))],
    "refused replace": [(W(A, 9), Conflict(ABSENT)), (Read(), None)],
    "delete": [(W(A, ABSENT), 3), (Remove(3), None), (Read(), None)],
    "delete of nothing": [(Remove(ABSENT), None), (Remove(ANY), None)],
    "refused delete": [(W(A, ABSENT), 3), (Remove(2), Conflict(3)), (Read(), (A, 3))],
    "create again": [(W(A, ABSENT), 3), (Remove(ANY), None), (W(B, ABSENT), 4)],
    "lease": [(W(A, ABSENT), 3), (Lease(), (A, 5)), (W(B, 3), Conflict(5)), (Remove(5), None)],
    "unknown version": [(W(A, ABSENT), True), (Read(), (A, 4)), (W(B, 4), 5)],
    "unknown version, told by a refusal": [(W(A, ANY), True), (W(B, 1), Conflict(4)), (W(C, 4), 5)],
    "unknown version, told by an expectation": [(W(A, ANY), True), (W(B, 4), 5)],
}


@pytest.mark.parametrize("calls", SEQUENTIAL.values(), ids=SEQUENTIAL)
def test_what_a_record_does_is_accepted(calls) -> None:
    assert _happens(_one_by_one(*calls))


WRONG = {
    "a value from nowhere": [(Read(), (A, 1))],
    "a lost write": [(W(A, ABSENT), 3), (Read(), None)],
    "a stale read": [(W(A, ABSENT), 3), (W(B, 3), 4), (Read(), (A, 3))],
    "a read that goes back": [
        (W(A, ABSENT), 3),
        (W(B, 3), 4),
        (Read(), (B, 4)),
        (Read(), (A, 3)),
    ],
    "the value of one write with the version of another": [
        (W(A, ABSENT), 3),
        (W(B, 3), 4),
        (Read(), (B, 3)),
    ],
    "two creations": [(W(A, ABSENT), 3), (W(B, ABSENT), 4)],
    "a lost update": [(W(A, ABSENT), 3), (W(B, 3), 4), (W(C, 3), 5)],
    "a version twice": [(W(A, ABSENT), 3), (W(B, 3), 3)],
    "a version that shrinks": [(W(A, ABSENT), 3), (W(B, 3), 2)],
    "a version again after a delete": [
        (W(A, ABSENT), 3),
        (Remove(3), None),
        (W(B, ABSENT), 3),
    ],
    "a stale delete": [(W(A, ABSENT), 3), (W(B, 3), 4), (Remove(3), None)],
    "a deleted value": [(W(A, ABSENT), 3), (Remove(3), None), (Read(), (A, 3))],
    "a refusal without a reason": [(W(A, ABSENT), 3), (W(B, 3), Conflict(3))],
    "a refusal of anything": [(W(A, ABSENT), 3), (W(B, ANY), Conflict(3))],
    "a refusal that names another version": [(W(A, ABSENT), 3), (W(B, ABSENT), Conflict(2))],
    "a refusal that names what is gone": [
        (W(A, ABSENT), 3),
        (Remove(3), None),
        (W(B, 9), Conflict(3)),
    ],
    "a refused write that took place": [
        (W(A, ABSENT), 3),
        (W(B, ABSENT), Conflict(3)),
        (Read(), (B, 3)),
    ],
    "a lease of nothing": [(Lease(), (A, 1))],
    "two leases of one number": [(W(A, ABSENT), 3), (Lease(), (A, 4)), (Lease(), (A, 4))],
    "a lease that does not fence": [(W(A, ABSENT), 3), (Lease(), (A, 4)), (W(B, 3), 5)],
    "a lease of another value": [(W(A, ABSENT), 3), (Lease(), (B, 4))],
    "an unknown version that was there before": [
        (W(A, ABSENT), 3),
        (W(B, ANY), True),
        (Read(), (B, 3)),
    ],
    "two versions of one write": [(W(A, ANY), True), (Read(), (A, 4)), (Read(), (A, 5))],
    "no room for an unknown version": [(W(A, ABSENT), 3), (W(B, ANY), True), (W(C, ANY), 4)],
    "an entry in a record": [(Extend((A,)), 1)],
}


@pytest.mark.parametrize("calls", WRONG.values(), ids=WRONG)
def test_what_no_record_does_is_refused(calls) -> None:
    assert not _happens(_one_by_one(*calls))


LOGS = {
    "append, read": [(Extend((A, B)), 2), (ReadLog(), (A, B))],
    "append nothing": [(Extend(()), 0), (Extend((A,)), 1), (Extend((), 1), 1)],
    "expected": [(Extend((A,), 0), 1), (Extend((B,), 0), Conflict(1)), (ReadLog(), (A,))],
    "page": [(Extend((A, B, C)), 3), (ReadLog(1, 1), (B,)), (ReadLog(2), (C,)), (ReadLog(7), ())],
    "unknown number": [(Extend((A,)), True), (Extend((B,)), 2)],
}

WRONG_LOGS = {
    "a gap": [(Extend((A,)), 2)],
    "a number twice": [(Extend((A,)), 1), (Extend((B,)), 1)],
    "a lost entry": [(Extend((A,)), 1), (ReadLog(), ())],
    "another order": [(Extend((A,)), 1), (Extend((B,)), 2), (ReadLog(), (B, A))],
    "half of an append": [(Extend((A, B)), 2), (ReadLog(), (A,))],
    "an entry from nowhere": [(ReadLog(), (A,))],
    "an entry that was rewritten": [(Extend((A,)), 1), (ReadLog(), (B,))],
    "two firsts": [(Extend((A,), 0), 1), (Extend((B,), 0), 2)],
    "a refusal without a reason": [(Extend((A,), 0), Conflict(0))],
    "a refusal of anything": [(Extend((A,), ANY), Conflict(0))],
    "a refusal that names another number": [(Extend((A,)), 1), (Extend((B,), 5), Conflict(2))],
    "a page that begins too early": [(Extend((A, B)), 2), (ReadLog(1), (A, B))],
    "a value in a log": [(Read(), None)],
}


@pytest.mark.parametrize("calls", LOGS.values(), ids=LOGS)
def test_what_a_log_does_is_accepted(calls) -> None:
    assert _happens(_one_by_one(*calls), Log())


@pytest.mark.parametrize("calls", WRONG_LOGS.values(), ids=WRONG_LOGS)
def test_what_no_log_does_is_refused(calls) -> None:
    assert not _happens(_one_by_one(*calls), Log())


def test_calls_that_overlap_may_have_come_in_any_order() -> None:
    calls = [(Read(), (B, 4)), (W(B, 3), 4), (W(A, ABSENT), 3), (W(C, ABSENT), Conflict(4))]
    assert _happens(_all_at_once(*calls))
    assert not _happens(_one_by_one(*calls))


@pytest.mark.parametrize(
    "calls",
    [
        [(W(A, ABSENT), 3), (W(B, ABSENT), 4)],
        [(W(A, ABSENT), 3), (W(B, 3), 4), (W(C, 3), 5)],
        [(W(A, ANY), 3), (Lease(), (A, 4)), (Lease(), (A, 4))],
        [(W(A, ABSENT), 3), (Read(), (A, 4))],
    ],
)
def test_what_no_order_explains_is_refused_however_much_it_overlaps(calls) -> None:
    assert not _happens(_all_at_once(*calls))


def test_a_read_that_ended_before_a_write_began_cannot_have_seen_it() -> None:
    assert not _happens([Call(0, 1, Read(), (A, 1)), Call(2, 3, W(A, ABSENT), 1)])
    assert _happens([Call(0, 3, Read(), (A, 1)), Call(2, 4, W(A, ABSENT), 1)])


def test_two_readers_beside_a_write_cannot_see_it_appear_and_vanish() -> None:
    write = Call(0, 100, W(A, ABSENT), 1)
    seen, not_seen = (Read(), (A, 1)), (Read(), None)
    assert _happens([write, Call(1, 2, *not_seen), Call(3, 4, *seen)])
    assert not _happens([write, Call(1, 2, *seen), Call(3, 4, *not_seen)])


def test_a_pending_write_may_have_happened_or_not_but_not_before_it_began() -> None:
    pending = Call(2, 3, W(A, ABSENT), PENDING)
    before, after = Call(0, 1, Read(), (A, 1)), Call(8, 9, Read(), (A, 1))
    assert _happens([pending])
    assert _happens([pending, after])
    assert _happens([pending, Call(8, 9, Read(), None)])
    assert _happens([pending, Call(6, 7, Read(), None), after])
    assert not _happens([pending, before])
    assert not _happens([pending, after, Call(10, 11, Read(), None)])


def test_a_pending_write_cannot_have_happened_against_its_expectation() -> None:
    create = Call(0, 1, W(A, ABSENT), 3)
    assert not _happens([create, Call(2, 3, W(B, 9), PENDING), Call(4, 5, Read(), (B, 4))])
    assert _happens([create, Call(2, 3, W(B, 3), PENDING), Call(4, 5, Read(), (B, 4))])
    assert not _happens([create, Call(2, 3, Remove(9), PENDING), Call(4, 5, Read(), None)])
    assert _happens([create, Call(2, 3, Remove(3), PENDING), Call(4, 5, Read(), None)])


def test_a_pending_lease_explains_a_new_version_of_the_same_value() -> None:
    create, read = Call(0, 1, W(A, ABSENT), 3), Call(4, 5, Read(), (A, 4))
    assert not _happens([create, read])
    assert _happens([create, Call(2, 3, Lease(), PENDING), read])
    assert not _happens([Call(2, 3, Lease(), PENDING), Call(4, 5, Read(), (A, 4))])


def test_a_pending_append_adds_all_of_its_entries_or_none() -> None:
    pending = Call(0, 1, Extend((A, B)), PENDING)
    for values, possible in (((), True), ((A, B), True), ((A,), False), ((B, A), False)):
        assert _happens([pending, Call(2, 3, ReadLog(), values)], Log()) is possible


def test_a_pending_read_says_nothing() -> None:
    assert find_order([Call(0, 1, Read(), PENDING)], Register()) == []
    assert find_order([Call(0, 1, ReadLog(), PENDING)], Log()) == []


def test_the_order_that_was_found_is_given() -> None:
    create, replace = Call(0, 9, W(A, ABSENT), 3), Call(1, 8, W(B, 3), 4)
    assert find_order([replace, create], Register()) == [create, replace]


def test_a_long_history_of_many_callers_is_judged_in_no_time() -> None:
    calls = [(W(b"%d" % n, n), n + 1) for n in range(400)]
    wide = [Call(n, n + 8, action, answer) for n, (action, answer) in enumerate(calls)]
    assert _happens(wide)
    assert not _happens([*wide, Call(500, 501, Read(), (b"1", 2))])


_actions = st.one_of(
    st.builds(Write, st.sampled_from([A, B]), st.sampled_from([ABSENT, ANY, 1, 2])),
    st.builds(Remove, st.sampled_from([ABSENT, ANY, 1])),
    st.just(Read()),
)
_answers = st.sampled_from(
    [None, 1, 2, 3, (A, 1), (B, 2), (B, 1), Conflict(0), Conflict(1), PENDING]
)


def _fits(action, answer) -> bool:
    if answer is PENDING or isinstance(answer, Conflict):
        return not isinstance(action, Read) or answer is PENDING
    kinds = {Write: int, Remove: type(None), Read: (tuple, type(None))}
    return isinstance(answer, kinds[type(action)])


@st.composite
def _histories(draw):
    calls = draw(st.lists(st.tuples(_actions, _answers).filter(lambda c: _fits(*c)), max_size=5))
    moments = draw(st.permutations(range(2 * len(calls))))
    spans = [sorted(moments[2 * n : 2 * n + 2]) for n in range(len(calls))]
    return [Call(*span, *call) for span, call in zip(spans, calls, strict=True)]


def _happens_by_trying_everything(history) -> bool:
    done = [call for call in history if not call.pending]
    pending = [call for call in history if call.pending]
    model = Register()
    for size in range(len(pending) + 1):
        for chosen in permutations(pending, size):
            for order in permutations([*done, *chosen]):
                if any(
                    not late.pending and late.end < early.start
                    for place, early in enumerate(order)
                    for late in order[place + 1 :]
                ):
                    continue
                states = {model.begin()}
                for call in order:
                    if call.pending and isinstance(call.action, Read):
                        continue
                    states = {
                        after
                        for state in states
                        for after in model.step(state, call.action, call.answer)
                    }
                if states:
                    return True
    return False


@given(_histories())
def test_the_search_agrees_with_trying_every_order(history) -> None:
    assert _happens(history) == _happens_by_trying_everything(history)


# Recording


async def test_a_recorder_notes_every_verb_and_its_answer() -> None:
    recorder = Recorder()
    async with RecordingStore(MemoryStore(clock=ManualClock()), recorder) as store:
        await store.get(("a",))
        await store.put(("a",), b"1", expected=ABSENT, due_at=0)
        await store.put(("a",), b"2", expected=ABSENT)
        await store.claim((), until=5)
        await store.delete(("a",), expected=2)
        await store.append(("l",), [b"x", b"y"], expected=0)
        await store.read(("l",), after=1, limit=3)
        await store.batch(
            [
                Put(key=("a",), value=b"3", expected=ABSENT),
                Delete(key=("b",), expected=ANY),
                Append(log=("l",), entries=[b"z"]),
            ]
        )
        await store.batch(
            [Put(key=("b",), value=b"4", expected=ANY), Delete(key=("a",), expected=ABSENT)]
        )
    assert [(each.action, each.answer) for each in recorder.calls["record", ("a",)]] == [
        (Read(), None),
        (W(b"1", ABSENT), 1),
        (W(b"2", ABSENT), Conflict(1)),
        (Lease(), (b"1", 2)),
        (Remove(2), None),
        (W(b"3", ABSENT), True),
        (Remove(ABSENT), Conflict(3)),
    ]
    assert [(each.action, each.answer) for each in recorder.calls["record", ("b",)]] == [
        (Remove(ANY), None)
    ]
    assert [(each.action, each.answer) for each in recorder.calls["log", ("l",)]] == [
        (Extend((b"x", b"y"), 0), 2),
        (ReadLog(1, 3), (b"y",)),
        (Extend((b"z",), ANY), True),
    ]
    assert recorder.faults() == []


async def test_moments_grow_from_the_beginning_of_a_call_to_its_end() -> None:
    recorder = Recorder()
    async with RecordingStore(MemoryStore(clock=ManualClock()), recorder) as store:
        await asyncio.gather(*(store.get(("a",)) for _ in range(3)))
        await store.get(("a",))
    calls = recorder.calls["record", ("a",)]
    moments = [moment for call in calls for moment in (call.start, call.end)]
    assert sorted(moments) == list(range(8))
    assert all(call.start < call.end for call in calls)
    assert calls[-1].start > max(call.end for call in calls[:-1])


async def test_a_call_that_fails_is_pending() -> None:
    recorder, gone = Recorder(), StorageUnavailable("gone")
    faults = {(verb, 1): gone for verb in ("put", "append", "batch", "claim")}
    async with FaultyStore(MemoryStore(clock=ManualClock()), faults) as inner:
        store = RecordingStore(inner, recorder)
        for verb in (
            store.put(("a",), b"1", expected=ANY),
            store.append(("l",), [b"x"]),
            store.batch([Put(key=("a",), value=b"2", expected=ANY)]),
        ):
            with pytest.raises(StorageUnavailable):
                await verb
    assert [call.answer for call in recorder.calls["record", ("a",)]] == [PENDING] * 2
    assert [call.answer for call in recorder.calls["log", ("l",)]] == [PENDING]


async def test_a_claim_that_was_lost_may_have_taken_any_record_of_its_queue() -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as inner:
        for queue, explained in (("jobs",), True), (("other",), False):
            recorder = Recorder()
            store = RecordingStore(
                FaultyStore(inner, {("claim", 1): StorageUnavailable("")}), recorder
            )
            await store.put(("jobs", "one"), b"1", expected=ANY, due_at=0)
            with pytest.raises(StorageUnavailable):
                await store.claim(queue, until=9)
            await inner.claim(("jobs",), until=9)
            await store.get(("jobs", "one"))
            assert (recorder.faults() == []) is explained


async def test_a_fault_names_the_key_and_its_calls() -> None:
    recorder, numbers = Recorder(), count(1)
    for _ in range(2):
        recorder.end(recorder.begin(), ("record", ("a",)), W(A, ABSENT), next(numbers))
    (fault,) = recorder.faults()
    assert "record ('a',)" in fault
    assert fault.count("Write") == 2
