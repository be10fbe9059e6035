"""Whatever an application hands over is recorded, and never hurts it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.clock import SystemClock
from holdfast.tracing.entries import Position
from holdfast.tracing.ring.reading import rings
from holdfast.tracing.ring.ring import Ring
from holdfast.tracing.span import Event, Source, Span, SpanLink
from holdfast.tracing.tracer import Link, Tracer

TRACE = "a" * 32


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Ring:
    return Ring.open(tmp_path_factory.mktemp("rings"), clock=SystemClock())


class Last:
    """Reads what was written last."""

    def __init__(self) -> None:
        self.position = Position()

    def span(self, folder: Path) -> Span:
        (ring,) = rings(folder)
        batch = ring.read(self.position)
        self.position = batch.now
        span = batch.entries[-1]
        assert isinstance(span, Span), span
        return span


@pytest.fixture(scope="module")
def last() -> Last:
    return Last()


def recorded(ring: Ring, last: Last, attributes: dict) -> Mapping:
    tracer = Tracer(clock=SystemClock(), sink=ring)
    tracer.start("span", parent=None, attributes=attributes).end()
    return last.span(ring.folder).attributes


texts = st.text(st.characters(), max_size=8)  # with surrogates
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats()
    | texts
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.just("$"), inner),
    max_leaves=8,
)


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, Sequence):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@given(attributes=st.dictionaries(texts, values, max_size=4))
@example(attributes={"a": math.nan, "b": None, "c": [math.inf, -math.inf]})
@example(attributes={"$": {"$": 1}, "a": "null"})
def test_values_come_back_as_they_were(ring: Ring, last: Last, attributes: dict) -> None:
    assert same(attributes, recorded(ring, last, attributes))


names = st.text(max_size=8)
plain = st.dictionaries(names, values, max_size=2)
instants = st.integers(0, 1 << 62)
counts = st.integers(0, 9)
events = st.builds(Event, at_ns=instants, name=names, attributes=plain, dropped_attributes=counts)
links = st.builds(
    SpanLink, trace_id=names, span_id=names, state=names, attributes=plain,
    dropped_attributes=counts, flags=counts,
)  # fmt: skip
sources = st.builds(
    Source, resource=plain, scope=names, scope_version=names, scope_attributes=plain,
    resource_schema=names, scope_schema=names, dropped_resource=counts, dropped_scope=counts,
)  # fmt: skip


@given(
    events=st.lists(events, max_size=2),
    links=st.lists(links, max_size=2),
    source=sources,
    name=names,
    status=st.sampled_from(["unset", "ok", "error", "cancelled"]),
    state=names,
    numbers=st.tuples(counts, counts, counts, counts),
)
def test_all_that_a_span_has_comes_back(
    ring: Ring, last: Last, *, events, links, source, name, status, state, numbers
) -> None:
    tracer = Tracer(clock=SystemClock(), sink=ring)
    span = tracer.start("first", parent=Link(TRACE, "b" * 16), links=links, source=source)
    span.rest.events.extend(events)
    rest = span.rest
    rest.state = state
    rest.flags, rest.dropped_attributes, rest.dropped_events, rest.dropped_links = numbers
    span.rename(name)
    span.end(status=status, error="what")
    assert repr(last.span(ring.folder)) == repr(span.recorded())


class Hostile:  # noqa: PLW1641 - it has one that fails
    """Fails whatever is done with it."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __hash__ = __len__ = __iter__ = __bool__ = __repr__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("no")


class Exits:
    def __repr__(self) -> str:
        raise SystemExit(3)


class Liar(dict):
    def items(self):
        raise RuntimeError("no")


def cyclic() -> list:
    found: list = []
    found.append({"again": found})
    return found


def deep() -> list:
    found: list = []
    for _ in range(5000):
        found = [found]
    return found


@dataclass
class Plain:
    size: int


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (Hostile, "Hostile that cannot be shown"),
        (Exits, "Exits that cannot be shown"),
        (lambda: Liar(a=1), ""),
        (cyclic, "..."),
        (deep, "["),
        (lambda: {1: "a", "1": "b", None: "c"}, "1'"),
        (lambda: {Hostile: 1}, "Hostile"),
        (lambda: {"a", "b"}, "a"),
        (lambda: SimpleNamespace(a=1), "namespace(a=1)"),
        (lambda: Plain(size=3), "{'size': 3}"),
        (lambda: [Plain(size=3), None], "{'size': 3}"),
        (lambda: datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02"),
        (lambda: object, "class 'object'"),
        (lambda: memoryview(b"abc"), "b'abc'"),
    ],
)
def test_objects_that_are_no_values_are_kept_as_text(
    ring: Ring, last: Last, make: Callable[[], object], shown: str
) -> None:
    value = make()
    assert shown in str(recorded(ring, last, {"value": value, "beside": b"\xff"})["value"])
    assert recorded(ring, last, {"value": value, "beside": 1})["beside"] == 1


def test_a_name_may_be_anything(ring: Ring, last: Last) -> None:
    tracer = Tracer(clock=SystemClock(), sink=ring)
    for name in ("\ud800", Hostile(), 7, "a\nb\0"):
        tracer.start(name, parent=None).end()  # type: ignore[arg-type]
        told = last.span(ring.folder).name
        assert isinstance(told, str)
        if not isinstance(name, Hostile):
            assert told == ("\\ud800" if name == "\ud800" else str(name))
    assert last.position.offset


def test_a_value_counts_as_it_is_when_the_span_ends(ring: Ring, last: Last) -> None:
    tracer = Tracer(clock=SystemClock(), sink=ring)
    found: list[int] = []
    with tracer.span("span", trace_id=TRACE, found=found):
        found.append(1)
    found.append(2)
    assert last.span(ring.folder).attributes == {"found": [1]}
