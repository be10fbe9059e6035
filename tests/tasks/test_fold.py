"""The fold of a task's log: any events in any order, and logs that two clones were merged into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import StorageCorrupt, StorageTooNew, TaskConflict
from holdfast.tasks import Task, TaskState
from holdfast.tasks.chains import digest, genesis
from holdfast.tasks.events import (
    BlockerEnded,
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    Created,
    DependencyAdded,
    DependencyRemoved,
    Event,
    Failed,
    InputAnswered,
    InputRequested,
    Noted,
    Progressed,
    Released,
    Renewed,
    Started,
    Updated,
    VariablesChanged,
    decode_event,
    encode_event,
    register,
)
from holdfast.tasks.fold import Fold, apply, broken_links, refusal, replay, teach
from holdfast.tasks.snapshots import decode_snapshot, encode_snapshot
from holdfast.tasks.state import TRANSITIONS

ID = "a" * 32
AT = st.integers(min_value=0, max_value=10**6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
NAMES = st.sampled_from(["a", "b", "c"])
OTHERS = st.sampled_from(["b" * 32, "c" * 32])
RELATIONS = st.sampled_from(["blocks", "parent", "relates", "discovered_from"])
ENDED = st.sampled_from(["completed", "failed", "cancelled", "expired"])
FENCES = st.integers(min_value=1, max_value=5)
BY = {"at": AT, "by": NAMES, "via": NAMES}

EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Updated, **BY, changes=st.fixed_dictionaries({}, optional={"name": NAMES, "priority": st.integers(0, 4), "tags": st.lists(NAMES), "metadata": st.dictionaries(NAMES, JSON, max_size=2)})),
    st.builds(Started, **BY, message=NAMES),
    st.builds(Claimed, **BY, holder=NAMES, fence=FENCES, until=st.none() | AT),
    st.builds(Renewed, **BY, fence=FENCES, until=AT),
    st.builds(Released, **BY),
    st.builds(Progressed, **BY, done=st.integers(0, 9), total=st.none() | st.integers(0, 9), message=NAMES),
    st.builds(Noted, **BY, text=NAMES),
    st.builds(VariablesChanged, **BY, values=st.dictionaries(NAMES, JSON, max_size=3), declared=st.dictionaries(NAMES, st.fixed_dictionaries({"visibility": st.sampled_from(["server", "read", "write"])}), max_size=1)),
    st.builds(InputRequested, **BY, key=NAMES, prompt=NAMES),
    st.builds(InputAnswered, **BY, key=NAMES, answer=JSON),
    st.builds(DependencyAdded, **BY, relation=RELATIONS, on=OTHERS, ended=st.just("") | ENDED),
    st.builds(DependencyRemoved, **BY, relation=RELATIONS, on=OTHERS),
    st.builds(BlockerEnded, **BY, on=OTHERS, ended=ENDED),
    st.builds(CancelRequested, **BY),
    st.builds(Completed, **BY, result=JSON),
    st.builds(Failed, **BY, error=st.fixed_dictionaries({"message": NAMES})),
    st.builds(Cancelled, **BY, reason=NAMES),
)  # fmt: skip
BIRTH = Created(
    at=5,
    id=ID,
    owner="o",
    name="n",
    variables={"a": {"value": 1, "visibility": "read"}},
    dependencies=[{"kind": "blocks", "on": "b" * 32}],
    ttl_ms=100,
    run={"program": "p", "inputs": {"x": 1}},
)
SEQUENCES = st.lists(EVENTS, max_size=14)


def write(fold: Fold, events: Sequence[Event]) -> list[bytes]:
    """Return the entries of events, whether or not they are allowed, and take them in."""
    entries: list[bytes] = []
    for event in events:
        entries.append(encode_event(event, fold.prev))
        fold.take(entries[-1])
    return entries


@pytest.mark.promise("task-replay-exact")
@settings(max_examples=300, deadline=None)
@given(SEQUENCES)
def test_any_sequence_of_events_keeps_the_table_and_replays_to_the_same(
    events: list[Event],
) -> None:
    task = apply(None, BIRTH)
    fold = Fold(ID)
    entries = write(fold, [BIRTH])
    for number, event in enumerate(events, 2):
        entries += write(fold, [event])
        reason = refusal(task, event)
        if reason is not None:
            with pytest.raises(TaskConflict):
                apply(task, event)
            assert fold.snapshot().superseded[-1] == number
            assert fold.task == task, "what is refused changes nothing"
            continue
        after = apply(task, event)
        assert after.state == task.state or after.state in TRANSITIONS[task.state]
        assert not task.has_ended, "what has ended never changes"
        assert after.fence > task.fence if isinstance(event, Claimed) else after.fence == task.fence
        assert {name: each.version for name, each in after.variables.items()}.items() >= set()
        assert set(task.requests) <= set(after.requests)
        assert (after.ended_at is not None) == after.has_ended
        assert after.updated_at >= task.updated_at
        task = after
        assert fold.task == task
    whole = replay(ID, entries)
    assert whole.task == task
    assert decode_snapshot(encode_snapshot(whole)) == whole
    for cut in range(1, len(entries)):
        first = decode_snapshot(encode_snapshot(replay(ID, entries[:cut])))
        assert replay(ID, entries[cut:], first) == whole
    assert broken_links(ID, entries) == []
    assert whole.heads == (digest(entries[-1]),)


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_an_event_is_read_as_it_was_written(event: Event) -> None:
    assert decode_event(encode_event(event, "p")) == (event, "p")


def interleave(ours: list[bytes], theirs: list[bytes], turns: list[bool]) -> list[bytes]:
    """Return both, each in its order, as `turns` say; who has nothing left waits no more."""
    first, second, merged = list(ours), list(theirs), list[bytes]()
    for turn in [*turns, *[True] * len(ours), *[False] * len(theirs)]:
        source = first if turn else second
        if source:
            merged.append(source.pop(0))
    return merged


@settings(max_examples=150, deadline=None)
@given(SEQUENCES, SEQUENCES, SEQUENCES, SEQUENCES, st.lists(st.booleans(), max_size=20))
def test_a_merged_log_keeps_all_and_goes_on_as_one(
    before: list[Event],
    ours: list[Event],
    theirs: list[Event],
    after: list[Event],
    turns: list[bool],
) -> None:
    common = Fold(ID)
    shared = write(common, [BIRTH, *before])
    us, them = (Fold(ID, common.snapshot()) for _ in range(2))
    left, right = write(us, ours), write(them, theirs)
    # What both wrote is there once; it can only be how they began, for an entry names the one before.
    same = sum(1 for one, other in zip(left, right, strict=False) if one == other)
    log = shared + left[:same] + interleave(left[same:], right[same:], turns)
    merged = replay(ID, log)
    assert merged.tail == len(log)
    assert broken_links(ID, log) == []
    later = Fold(ID, merged)
    log += write(later, after)
    assert broken_links(ID, log) == []
    if after:
        assert len(later.heads) == 1, "the next entry names all that came before"
    assert replay(ID, log) == later.snapshot()


def test_an_end_that_comes_second_in_a_merged_log_is_superseded() -> None:
    fold = Fold(ID)
    write(fold, [replace(BIRTH, dependencies=[]), Started(at=6)])
    start = fold.snapshot()
    ours = write(Fold(ID, start), [Completed(at=7, result="ours")])
    theirs = write(Fold(ID, start), [Noted(at=7, text="x"), Failed(at=8, error={"message": "m"})])
    first = replay(ID, [*ours, *theirs], start)
    assert (first.task.state, first.task.result, first.superseded) == ("completed", "ours", (4, 5))
    second = replay(ID, [*theirs, *ours], start)
    assert (second.task.state, second.task.notes, second.superseded) == ("failed", 1, (5,))


def test_of_two_that_claimed_with_one_number_the_second_in_the_log_holds_nothing() -> None:
    fold = Fold(ID)
    write(fold, [replace(BIRTH, dependencies=[])])
    start = fold.snapshot()
    ours = write(Fold(ID, start), [Claimed(at=7, holder="a", fence=1, until=99)])
    theirs = write(Fold(ID, start), [Claimed(at=8, holder="b", fence=1, until=99)])
    merged = replay(ID, [*ours, *theirs], start)
    assert merged.superseded == (3,)
    assert merged.task.lease is not None
    assert merged.task.lease.holder == "a"


def test_the_chain_begins_with_the_id() -> None:
    entry = encode_event(BIRTH, genesis(ID))
    assert broken_links(ID, [entry]) == []
    assert broken_links("b" * 32, [entry]) == [1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """A kind of a layer above."""

    kind: ClassVar[str] = "test_stepped"
    at: int
    cost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    kind: ClassVar[str] = "test_stepped"
    at: int


def test_a_layer_above_registers_kinds_that_are_counted_chained_and_may_mean_something() -> None:
    register(Stepped)
    register(Stepped)
    with pytest.raises(ValueError, match="test_stepped"):
        register(Twin)
    teach(Stepped)
    fold = Fold(ID)
    entries = write(fold, [BIRTH, Stepped(at=9, cost=3)])
    assert (fold.tail, fold.snapshot().superseded) == (2, ())
    assert fold.task == apply(None, BIRTH)

    def cost(task: Task, event: Event) -> Task:
        assert isinstance(event, Stepped)
        assert task.run is not None
        return replace(task, run=replace(task.run, cost_msat=task.run.cost_msat + event.cost))

    teach(Stepped, cost)
    assert replay(ID, entries).task.run == replace(fold.task.run, cost_msat=3)  # type: ignore[union-attr,type-var]
    ended = replay(ID, [*entries, *write(fold, [Cancelled(at=10), Stepped(at=11)])])
    assert ended.superseded == (4,)


def test_a_layer_above_may_encode_its_own_kinds_faster() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Quick:
        kind: ClassVar[str] = "test_quick"
        at: int

    register(
        Quick,
        encode=lambda event, prev: (
            b'{"event":"test_quick","prev":"%s","at":%d}' % (prev.encode(), event.at)
        ),
    )
    assert decode_event(encode_event(Quick(at=4), "p")) == (Quick(at=4), "p")


def test_what_a_newer_version_wrote_is_refused() -> None:
    entry = encode_event(BIRTH, genesis(ID))
    with pytest.raises(StorageTooNew, match="'created' that this version does not know"):
        decode_event(entry.replace(b'"name"', b'"title"'))
    with pytest.raises(StorageTooNew, match="'born'"):
        decode_event(entry.replace(b'"created"', b'"born"'))
    record = encode_snapshot(replay(ID, [entry]))
    with pytest.raises(StorageTooNew, match="format 2"):
        decode_snapshot(record.replace(b'"format":1', b'"format":2'))


@pytest.mark.parametrize(
    "data", [b"", b"x", b"[]", b"1", b'{"at":1}', b"\xff", b'{"event":"noted"}']
)
def test_what_is_no_event_or_record_is_told(data: bytes) -> None:
    with pytest.raises(StorageCorrupt):
        decode_event(data)
    with pytest.raises(StorageCorrupt):
        decode_snapshot(data)


def test_a_log_without_a_creation_is_told() -> None:
    with pytest.raises(StorageCorrupt, match="creation"):
        replay(ID, [encode_event(Noted(at=1, text="x"), genesis(ID))])
    with pytest.raises(StorageCorrupt, match="creation"):
        replay(ID, [])


def test_a_run_has_its_details() -> None:
    task = apply(None, BIRTH)
    assert (task.kind, task.state) == ("run", TaskState.PENDING)
    assert task.run is not None
    assert (task.run.program, task.run.inputs) == ("p", {"x": 1})
