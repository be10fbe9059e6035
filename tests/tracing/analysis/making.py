"""Make traces for tests, by hand and at random."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from holdfast.tracing.analysis.tree import Tree, tree_of
from holdfast.tracing.span import Event, Source, Span, Status, Value

MS = 1_000_000
TRACE = "a" * 32


def span(
    id_: str,
    parent: str | None,
    begin: float,
    end: float,
    *,
    name: str = "",
    kind: str = "step",
    status: Status = "ok",
    error: str = "",
    source: Source | None = None,
    events: Sequence[Event] = (),
    **attributes: Value,
) -> Span:
    """Return a span; times are in milliseconds."""
    return Span(
        trace_id=TRACE, span_id=id_, parent_id=parent, name=name or id_, kind=kind,
        start_ns=round(begin * MS), duration_ns=round((end - begin) * MS), status=status,
        error=error, attributes=attributes, events=events, source=source or Source(),
    )  # fmt: skip


def raised(kind: str, message: str, **more: Value) -> Sequence[Event]:
    """Return the event of an exception."""
    return (
        Event(
            at_ns=0,
            name="exception",
            attributes={"exception.type": kind, "exception.message": message, **more},
        ),
    )


@st.composite
def nested(draw: st.DrawFn, most: int = 30) -> list[Span]:
    """Return the spans of one tree, children within their parents, some at the same time."""
    spans = [span("0", None, 0, draw(st.integers(0, 1000)), kind="run")]
    for number in range(1, draw(st.integers(1, most))):
        parent = spans[draw(st.integers(0, number - 1))]
        low, high = parent.start_ns // MS, parent.end_ns // MS
        begin = draw(st.integers(low, high))
        end = draw(st.integers(begin, high))
        name = draw(st.sampled_from(("search", "read", "write")))
        spans.append(span(str(number), parent.span_id, begin, end, name=name))
    return draw(st.permutations(spans))


@st.composite
def wild(draw: st.DrawFn, most: int = 25) -> list[Span]:
    """Return spans of any kind: circles, lost parents, doubles, wrong clocks, any times."""
    ids = st.sampled_from([str(number) for number in range(12)])
    sources = [Source(), Source(resource={"host.name": "a"}), Source(resource={"host.name": "b"})]
    spans = st.builds(
        span,
        ids,
        st.none() | ids | st.just("gone"),
        st.integers(-50, 500),
        st.integers(-50, 500),
        name=st.sampled_from(("search", "read", "")),
        kind=st.sampled_from(
            ("run", "step", "model", "tool", "client", "consumer", "wait", "human")
        ),
        status=st.sampled_from(("ok", "error", "cancelled", "open", "lost", "unset")),
        error=st.sampled_from(("", "ValueError: no", "timed out", "\x1b[31m")),
        source=st.sampled_from(sources),
    )
    return draw(st.lists(spans, min_size=1, max_size=most))


def path_slowly(tree: Tree) -> dict[str, int]:
    """Return the critical path as its own definition says, slowly: nanoseconds a span by id."""
    shares: dict[str, int] = {}

    def walk(number: int, low: int, at: int) -> None:
        just = (at - low) >> 6
        while True:
            before = [
                c for c in tree.children[number] if tree.begins[c] < at and tree.ends[c] > low
            ]
            before = [c for c in before if tree.ends[c] > tree.begins[c]]
            ended = [c for c in before if tree.ends[c] <= at]
            running = [c for c in before if tree.ends[c] > at]
            last = max(ended, key=lambda c: (tree.ends[c], c), default=None)
            first = min(running, key=lambda c: (tree.begins[c], tree.ends[c], c), default=None)
            if last is not None and (first is None or at - tree.ends[last] <= just):
                chosen = last
            elif first is not None:
                chosen = first
            else:
                break
            end, begin = min(at, tree.ends[chosen]), max(low, tree.begins[chosen])
            add(number, at - end)
            walk(chosen, begin, end)
            at = begin
        add(number, at - low)

    def add(number: int, length: int) -> None:
        id_ = tree.spans[number].span_id
        if length:
            shares[id_] = shares.get(id_, 0) + length

    root = tree.roots[0]
    walk(root, tree.begins[root], tree.ends[root])
    return shares


def tree(*spans: Span) -> Tree:
    """Return the tree of some spans."""
    return tree_of(spans)
