"""A trace store keeps spans whole, counts them once, and finds them again, in whatever order they came."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.frozen import replace
from holdfast.testing.clock import ManualClock
from holdfast.tracing.digest import TraceDigest
from holdfast.tracing.entries import Loss, Opened, Part, Position
from holdfast.tracing.payload import Reference
from holdfast.tracing.span import Event, Source, Span, SpanLink
from holdfast.tracing.store.seam import Query, Retention, TraceStore
from tests.tracing.store.conftest import Fresh, Opener, Trials
from tests.tracing.store.making import EPOCH, HOUR, plain_digest, said, span, span_id, trace_id

DAY = 24 * HOUR

scalars = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
    | st.text(max_size=6) | st.binary(max_size=6)
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
attributes = st.dictionaries(st.text(max_size=6), values, max_size=3)
odd_spans = st.builds(
    span,
    trace=st.integers(0, 2), number=st.integers(0, 6), name=st.text(max_size=6),
    kind=st.sampled_from(["step", "model", "client"]), attributes=attributes,
    error=st.text(max_size=6), status=st.sampled_from(["ok", "error", "lost", "unset"]),
    duration_ns=st.integers(0, 10**12),
    events=st.lists(st.builds(Event, at_ns=st.integers(0, 10), name=st.text(max_size=3), attributes=attributes), max_size=1),
    links=st.lists(st.builds(SpanLink, trace_id=st.just("a" * 32), span_id=st.just("b" * 16)), max_size=1),
    source=st.builds(Source, resource=attributes, scope=st.text(max_size=3)),
)  # fmt: skip


def test_every_span_comes_back_as_it_was_the_last_version_of_each(
    fresh: Fresh, trials: Trials
) -> None:
    @trials(60)
    @given(batches=st.lists(st.lists(odd_spans, min_size=1, max_size=5), min_size=1, max_size=4))
    def check(batches: list[list[Span]]) -> None:
        with fresh() as store:
            latest: dict[tuple[str, str], Span] = {}
            for place, batch in enumerate(batches):
                store.add(batch)
                latest.update(((each.trace_id, each.span_id), each) for each in batch)
                if place % 2:
                    store.settle()
            for settled in (False, True):
                for number in range(3):
                    expected = {
                        key[1]: said(each)
                        for key, each in latest.items()
                        if key[0] == trace_id(number)
                    }
                    found = {each.span_id: said(each) for each in store.spans(trace_id(number))}
                    assert found == expected, settled
                store.settle()

    check()


def test_numbers_that_are_none_survive(store: TraceStore) -> None:
    store.add([span(0, 0, attributes={"nan": math.nan, "s": "\ud800"}, name="\udfff")])
    store.settle()
    (found,) = store.spans(trace_id(0))
    assert math.isnan(found.attributes["nan"])  # pyright: ignore[reportArgumentType]
    assert (found.attributes["s"], found.name) == ("\ud800", "\udfff")
    assert [each.name for each in store.statistics(exact=True)] == ["\udfff"]


def test_a_late_span_opens_a_settled_trace_again_and_nothing_is_counted_twice(
    store: TraceStore,
) -> None:
    for part in range(12):
        store.add([span(0, part)])
        store.settle()
    store.add([span(0, 3, name="renamed", duration_ns=5)])
    for exact in (False, True):
        counted = {each.name: each.count for each in store.statistics(exact=exact)}
        assert counted == {"name 0": 3, "name 1": 4, "name 2": 4, "renamed": 1}
    assert store.digest(trace_id(0)).spans == 12  # pyright: ignore[reportOptionalMemberAccess]


def test_a_release_that_is_learnt_late_moves_what_was_counted(store: TraceStore) -> None:
    store.add([span(0, 1)])
    store.settle()
    assert [each.count for each in store.statistics(Query(release="v2"))] == []
    store.add([span(0, 0, attributes={"release": "v2"})])
    assert sum(each.count for each in store.statistics(Query(release="v2"))) == 2
    assert sum(each.count for each in store.statistics()) == 2


def test_estimated_percentiles_are_within_one_per_cent(fresh: Fresh, trials: Trials) -> None:
    @trials(50)
    @given(durations=st.lists(st.integers(0, 10**13), min_size=1, max_size=200))
    def check(durations: list[int]) -> None:
        with fresh() as store:
            store.add([span(0, n, name="n", duration_ns=each) for n, each in enumerate(durations)])
            (estimated,) = store.statistics()
            ordered = sorted(durations)
            for share, got in (
                (0.5, estimated.p50_ns),
                (0.95, estimated.p95_ns),
                (0.99, estimated.p99_ns),
            ):
                true = ordered[int(share * (len(ordered) - 1))]
                assert abs(got - true) <= 0.01001 * true

    check()


def test_percentiles_are_the_same_with_and_without_numpy(
    store: TraceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add([span(t, n, duration_ns=n * n, status="error" if n % 5 == 0 else "ok")
               for t in range(3) for n in range(40)])  # fmt: skip
    with_numpy = store.statistics(exact=True)
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert store.statistics(exact=True) == with_numpy


def test_open_spans_show_until_they_end_and_an_end_that_came_first_counts(
    store: TraceStore,
) -> None:
    opened = [
        Opened(trace_id=trace_id(0), span_id=span_id(n), parent_id=None, name="o", kind="step", start_ns=EPOCH)
        for n in range(3)
    ]  # fmt: skip
    store.add([span(0, 2)])
    store.add(opened)
    states = {each.span_id: each.status for each in store.spans(trace_id(0))}
    assert states == {span_id(0): "open", span_id(1): "open", span_id(2): "ok"}
    assert store.state().open_spans == 2
    store.add([span(0, 0), span(0, 1)])
    assert {each.status for each in store.spans(trace_id(0))} == {"ok"}
    assert store.state().open_spans == 0


def test_a_ring_is_taken_in_once_and_its_open_spans_are_lost_when_it_dies(
    store: TraceStore,
) -> None:
    begin, middle, end = Position(), Position(segment=0, offset=50), Position(segment=1, offset=0)
    open_one = Opened(
        trace_id=trace_id(0), span_id=span_id(1), parent_id=span_id(0), name="o", kind="tool",
        start_ns=EPOCH,
    )  # fmt: skip
    assert store.position("r") == begin
    assert store.advance("r", [open_one, Loss(count=3, why="disk full")], was=begin, now=middle)
    assert not store.advance("r", [span(0, 5)], was=begin, now=end)
    assert store.position("r") == middle
    assert store.advance("r", [span(0, 0)], was=middle, now=end)
    assert store.bury("r", at_ns=EPOCH + 700) == 1
    assert store.bury("r", at_ns=EPOCH + 900) == 0
    lost = next(each for each in store.spans(trace_id(0)) if each.status == "lost")
    assert (lost.span_id, lost.duration_ns, lost.parent_id) == (span_id(1), 700, span_id(0))
    assert (store.state().lost, store.state().losses) == (3, {"disk full": 3})


def test_pages_neither_skip_nor_repeat_while_traces_are_added(store: TraceStore) -> None:
    for number in range(25):
        store.add([span(number, 0)])
    seen: list[str] = []
    cursor = ""
    for turn in range(100):
        page = store.traces(limit=4, cursor=cursor)
        seen += [each.trace_id for each in page.traces]
        store.add([span(100 + turn, 0)])
        cursor = page.cursor
        if not cursor:
            break
    assert seen == [trace_id(number) for number in reversed(range(25))]
    with pytest.raises(UsageError, match="no cursor"):
        store.traces(cursor="nonsense")


def test_traces_are_found_by_everything_that_a_query_says(store: TraceStore) -> None:
    store.add(
        [
            span(0, 0, attributes={"user": "ada", "workflow": "brief", "release": "v1"}),
            span(0, 1, status="error", error="the disk burns"),
        ]
    )
    store.add([span(1, 0, name="other", duration_ns=10**9, attributes={"note": "kelp forest"}), span(1, 4, kind="model", attributes={"model": "big", "cost": 7})])  # fmt: skip
    first, second = trace_id(0), trace_id(1)
    cases = [
        (Query(user="ada"), first), (Query(workflow="brief"), first), (Query(release="v1"), first),
        (Query(error_class="tool"), first), (Query(fingerprint="the disk burns"), first),
        (Query(text="burn"), first), (Query(name="other"), second), (Query(model="big"), second),
        (Query(model="p/big"), second),
        (Query(text="kelp"), second), (Query(at_least_ns=10**8), second),
        (Query(since_ns=EPOCH + HOUR // 8), second), (Query(until_ns=EPOCH + HOUR // 8), first),
        (Query(span="name 1", user="ada"), first), (Query(trace_id=second), second),
    ]  # fmt: skip
    for query, expected in cases:
        assert [each.trace_id for each in store.traces(query).traces] == [expected], query
    assert store.traces(Query(text='" OR *')).traces == []
    assert [each.trace_id for each in store.traces(order="slowest").traces] == [second, first]
    assert store.find(first[:31]) == [second, first]
    assert store.find("f") == []


def test_digests_are_made_anew_when_what_they_are_made_with_has_changed(
    reopen: Opener,
) -> None:
    def dearer(spans: Sequence[Span]) -> TraceDigest:
        digest = plain_digest(spans)
        return replace(digest, calls=[replace(each, told_msat=99) for each in digest.calls])

    with reopen() as store:
        for number in range(3):
            store.add([span(number, 1, kind="model", attributes={"cost": 10})])
        names = store.statistics()
        kept = [store.spans(trace_id(number)) for number in range(3)]
    with reopen(digester=dearer) as store:
        assert [each.cost_msat for each in store.costs("model")] == [30]
        store.pin(trace_id(1))
        assert store.unsettle(Query(trace_id=trace_id(1))) == 1
        assert [each.cost_msat for each in store.costs("model")] == [119]
        assert store.unsettle() == 3
        assert store.settle() == 3
        assert [each.cost_msat for each in store.costs("model")] == [297]
        assert (store.statistics(), store.state().pinned) == (names, 1)
        assert [store.spans(trace_id(number)) for number in range(3)] == kept


def test_bills_errors_and_the_slowest_are_summed(store: TraceStore) -> None:
    for number in range(3):
        store.add(
            [
                span(number, 0, attributes={"user": "ada"}),
                span(number, 1, kind="model", attributes={"cost": 10} if number else {}),
                span(number, 2, status="error", error="boom", duration_ns=number * 100),
            ]
        )
    (row,) = store.costs("model")
    assert (row.calls, row.unknown, row.cost_msat, row.input) == (3, 1, 20, 30)
    assert [each.key for each in store.costs("user")] == ["ada"]
    assert sum(each.calls for each in store.costs("day")) == 3
    (group,) = store.errors()
    assert (group.count, group.traces_count, group.cost_msat) == (3, 3, None)
    assert group.traces[0] == trace_id(2)
    assert [each.duration_ns for each in store.slowest("name 2", limit=2)] == [200, 100]
    assert sum(map(len, store.durations("name 2").values())) == 3
    assert len(store.calls(limit=2)) == 2


def test_sweeping_removes_the_oldest_but_nothing_pinned_or_open(store: TraceStore) -> None:
    for number in range(8):
        store.add([span(number, 0, start_ns=EPOCH + number * DAY)])
    store.pin(trace_id(0))
    store.add([span(8, 0, start_ns=EPOCH, duration_ns=6 * DAY)])  # it ended a day ago
    store.add([Opened(trace_id=trace_id(1), span_id=span_id(9), parent_id=None, name="o", kind="s", start_ns=EPOCH + DAY)])  # fmt: skip
    swept = store.sweep(Retention(days=3), now_ns=EPOCH + 7 * DAY)
    left = [each.trace_id for each in store.traces(limit=50).traces]
    assert swept.traces == 2
    assert left == [trace_id(n) for n in (7, 6, 5, 4, 1, 8, 0)]
    assert sum(each.count for each in store.statistics()) == 7


def test_a_later_version_of_a_span_decides_what_is_said_of_its_trace(store: TraceStore) -> None:
    for status in ("ok", "error"):
        store.add([span(0, 0, status=status)])
        store.settle()
        digest = store.digest(trace_id(0))
        assert digest is not None
        assert (digest.status, digest.spans) == (status, 1)


def test_sweeping_by_size_ends_below_it_and_gives_the_space_back(reopen: Opener) -> None:
    with reopen() as store:
        for number in range(60):
            noise = os.urandom(3000).hex()
            store.add([span(number, 0, attributes={"noise": noise})])
        before = store.state().bytes
        store.sweep(Retention(bytes=before // 2), now_ns=EPOCH)
        assert store.state().bytes <= before * 0.6
        assert store.traces(limit=1).traces[0].trace_id == trace_id(59)


def test_parts_live_as_long_as_a_trace_refers_to_them(fresh: Fresh) -> None:
    clock = ManualClock(start_ms=EPOCH // 1_000_000)
    with fresh(clock) as store:
        used, free = b"u" * 16, b"f" * 16
        reference = Reference(form="text", parts=(used.hex(),), size=3, preview="x").as_value()
        store.add([Part(hash=used, data=b"1"), Part(hash=free, data=b"2")])
        store.add([span(0, 0, attributes={"input": reference})])
        store.sweep(Retention(days=30), now_ns=EPOCH)
        assert store.part(free) == b"2"  # it was given a moment ago: its span may be on its way
        clock.advance(2 * 3600)
        store.sweep(Retention(days=30), now_ns=clock.now_ms() * 1_000_000)
        assert (store.part(used), store.part(free)) == (b"1", None)
        clock.advance(40 * 86400)
        store.sweep(Retention(payload_days=30), now_ns=clock.now_ms() * 1_000_000)
        assert store.part(used) is None
        assert len(store.spans(trace_id(0))) == 1


def test_what_is_forgotten_is_gone_pinned_or_not(store: TraceStore) -> None:
    store.add([span(0, 0, attributes={"user": "ada"}), span(1, 0, attributes={"user": "bob"})])
    store.pin(trace_id(0))
    assert store.forget(Query(user="ada")) == 1
    assert [each.trace_id for each in store.traces().traces] == [trace_id(1)]
    assert list(store.spans(trace_id(0))) == []
    assert sum(each.count for each in store.statistics()) == 1
    assert store.traces(Query(text="name")).traces[0].trace_id == trace_id(1)


def test_sweeping_by_size_counts_the_parts_that_go_with_their_traces(fresh: Fresh) -> None:
    clock = ManualClock(start_ms=EPOCH // 1_000_000)
    with fresh(clock) as store:
        for number in range(150):
            hash_ = number.to_bytes(16, "big")
            store.add([Part(hash=hash_, data=os.urandom(20_000))])
            reference = Reference(form="text", parts=(hash_.hex(),), size=3, preview="x").as_value()
            store.add([span(number, 0, attributes={"input": reference})])
        clock.advance(2 * 3600)
        store.sweep(
            Retention(bytes=store.state().bytes * 9 // 10), now_ns=clock.now_ms() * 1_000_000
        )
        assert 60 <= store.state().traces < 150


def test_texts_that_no_database_holds_are_found_and_do_no_harm(store: TraceStore) -> None:
    odd = "a\0b\ud800" + "long" * 2000
    store.add(
        [
            span(0, 0, name=odd, attributes={"user": odd, "release": odd, "note": odd, odd: odd}),
            span(0, 1, status="error", error=odd),
            Opened(trace_id=trace_id(0), span_id=span_id(2), parent_id=None, name=odd, kind=odd, start_ns=EPOCH),
            Loss(count=1, why=odd),
        ]
    )  # fmt: skip
    assert [each.name for each in store.spans(trace_id(0)) if each.span_id != span_id(1)] == [
        odd
    ] * 2
    for query in (Query(span=odd), Query(user=odd), Query(release=odd), Query(fingerprint=odd)):
        assert [each.trace_id for each in store.traces(query).traces] == [trace_id(0)], query
    assert store.state().lost == 1
    assert [each.count for each in store.statistics(Query(span=odd))] == [1]
    assert store.find("\0") == []
    assert store.part(b"\0" * 16) is None


def test_words_are_found_however_they_are_written(store: TraceStore) -> None:
    store.add([span(0, 0, attributes={"note": "the Café's big_files (v2.10) are burning"})])
    for text in (
        "cafe",
        "files",
        "burn",
        "burned",
        "the",
        "v2.10",
        "BIG",
        "bur",
        "big_files",
        "caf",
    ):
        assert len(store.traces(Query(text=text)).traces) == 1, text
    for text in ("urn", "coffee", "burn coffee", "files big", "_", "'", "!", "| :*"):
        found = store.traces(Query(text=text)).traces
        assert len(found) == (text == "files big"), text


def test_a_ring_that_two_read_at_once_is_taken_in_by_one(reopen: Opener) -> None:
    starts, ends = Position(), Position(segment=0, offset=7)
    with reopen() as one, reopen() as other:
        with ThreadPoolExecutor(2) as threads:
            tries = [
                threads.submit(each.advance, "r", [span(n, 0)], was=starts, now=ends)
                for n, each in enumerate((one, other))
            ]
        won = [each.result() for each in tries]
        assert sorted(won) == [False, True]
        assert [each.trace_id for each in one.traces().traces] == [trace_id(won.index(True))]
        assert not one.advance("r", [], was=Position(segment=3, offset=0), now=ends)
        assert not one.advance("unknown", [], was=ends, now=ends)
        assert one.position("unknown") == starts
