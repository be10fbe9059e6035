"""Fold a trace into the rows that a waterfall shows: repeated siblings, tries, gaps, waiting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from holdfast.frozen import frozen
from holdfast.tracing.analysis.suspects import SUSPICIOUS, Case
from holdfast.tracing.analysis.times import gaps_of, percentile
from holdfast.tracing.analysis.trace import Trace, arguments_hash, call_name
from holdfast.tracing.analysis.waits import Pause, pauses_of
from holdfast.tracing.span import Span

Mark = Literal["work", "own", "below", "wait", "first", "failed", "gap"]
"""What a piece of a bar is: the work of a span without children (of a streaming model: after the
first token, `first` before it); of one with children its own time, and theirs; waiting; a try that
failed; time that nothing explains."""

Kind = Literal["span", "group", "tries", "gap"]

FOLDED = 5
"""More siblings of one name than this are one row."""

_GAP = 0.05
"""A gap is a row if it is at least so much of the trace."""


@frozen
class Piece:
    """A stretch of a bar, in nanoseconds from the beginning of the trace."""

    begin_ns: int
    end_ns: int
    mark: Mark


@frozen(kw_only=False)
class Row:
    """One row of a waterfall. `offset_ns` counts from where the first span began.

    A `group` stands for `count` siblings of one name and all below them, `tries` for the tries of
    one call; `span` is then the first of the group, the last of the tries. In a `gap` no child of
    `span` was open. `path_ns` is how much of the critical path lies in the row and below it.
    """

    span: Span
    depth: int
    offset_ns: int
    kind: Kind = "span"
    took_ns: int = 0
    number: int = -1
    numbers: tuple[int, ...] = ()
    """Which spans the row is, those below them left out; `number` is that of `span`."""
    count: int = 1
    sum_ns: int = 0
    p95_ns: int = 0
    failed: int = 0
    spans: int = 1
    """How many spans the row stands for."""
    own_ns: int = 0
    path_ns: int = 0
    is_critical: bool = False
    pieces: tuple[Piece, ...] = ()

    @property
    def name(self) -> str:
        """What stands in front of the bar."""
        if self.kind == "gap":
            return "unaccounted"
        times = f" x{self.count}" if self.count > 1 else ""
        return f"{self.span.name}{times}"


def fold(case: Case, *, folded: int = FOLDED) -> Sequence[Row]:
    """Return the rows of a trace, parents above children, in the order in which they began.

    Spans that are suspected for more than being long, and those above them, are never in a group.
    """
    folding = _Folding(case, folded)
    stack: list[tuple[Sequence[int], Kind, int]] = []
    top = folding.siblings(case.trace.tree.roots)
    stack.extend((numbers, kind, 0) for numbers, kind in reversed(top))
    rows: list[Row] = []
    while stack:
        numbers, kind, depth = stack.pop()
        rows.append(folding.row(numbers, kind, depth))
        if kind != "span":
            continue
        below = folding.siblings(case.trace.tree.children[numbers[0]])
        below += _as_rows([(numbers[0], *gap) for gap in folding.gaps(numbers[0])], "gap")
        below.sort(key=lambda each: folding.begin(*each))
        stack.extend((each, what, depth + 1) for each, what in reversed(below))
    return rows


class _Folding:
    def __init__(self, case: Case, folded: int) -> None:
        self._case = case
        self._folded = folded
        self._tree = case.trace.tree
        self._origin = self._tree.begin
        self._pauses = pauses_of(case.trace)
        self._whole = max(1, self._tree.end - self._origin)
        self._kept: set[int] = set()
        for suspect in case.suspects[:3]:
            if suspect.score >= SUSPICIOUS:
                self._kept |= {suspect.number, *self._tree.way_up(suspect.number)}

    def siblings(self, numbers: Sequence[int]) -> list[tuple[Sequence[int], Kind]]:
        """Return siblings with those put together that are to be one row."""
        if len(numbers) < 2:
            return _alone(numbers)
        tries = _tries(self._case.trace, numbers)
        taken = {number for each in tries for number in each}
        by_name: dict[str, list[int]] = {}
        found = _as_rows(tries, "tries")
        for number in numbers:
            if number in taken:
                continue
            if number in self._kept:
                found.append(((number,), "span"))
            else:
                by_name.setdefault(self._tree.spans[number].name, []).append(number)
        for same in by_name.values():
            if len(same) > self._folded:
                found.append((same, "group"))
            else:
                found += _alone(same)
        return sorted(found, key=lambda each: self.begin(*each))

    def begin(self, numbers: Sequence[int], kind: Kind) -> tuple[int, int]:
        """Return by what rows are put in order."""
        first = numbers[0]
        return (numbers[1], first) if kind == "gap" else (self._tree.begins[first], first)

    def gaps(self, number: int) -> Iterator[tuple[int, int]]:
        """Yield the large gaps in a span, those apart in which it waited."""
        waits = [(begin, end) for _, begin, end in self._pauses.get(number, ())]
        for begin, end in gaps_of(self._tree, number):
            waited = any(since <= begin and end <= until for since, until in waits)
            if end - begin >= _GAP * self._whole and not waited:
                yield begin, end

    def row(self, numbers: Sequence[int], kind: Kind, depth: int) -> Row:
        """Return the row of some spans."""
        if kind == "gap":
            return self._gap(numbers, depth)
        tree, times, trace = self._tree, self._case.times, self._case.trace
        begin = min(tree.begins[number] for number in numbers)
        lengths = sorted(tree.ends[number] - tree.begins[number] for number in numbers)
        shown = numbers[-1] if kind == "tries" else numbers[0]
        path = sum(times.path_ns[number] for number in numbers)
        return Row(
            tree.spans[shown],
            depth,
            begin - self._origin,
            kind=kind,
            took_ns=max(tree.ends[number] for number in numbers) - begin,
            number=shown,
            numbers=tuple(numbers),
            count=len(numbers),
            sum_ns=sum(lengths),
            p95_ns=percentile(lengths, 0.95),
            failed=sum(trace.failed(number) for number in numbers),
            spans=sum(tree.stops[number] - number for number in numbers) if kind != "span" else 1,
            own_ns=sum(times.own_ns[number] for number in numbers),
            path_ns=path,
            is_critical=path > 0,
            pieces=tuple(self._pieces(numbers, kind)),
        )

    def _gap(self, numbers: Sequence[int], depth: int) -> Row:
        number, begin, end = numbers
        piece = Piece(begin_ns=begin - self._origin, end_ns=end - self._origin, mark="gap")
        return Row(
            self._tree.spans[number], depth, begin - self._origin, kind="gap",
            took_ns=end - begin, number=number, spans=0, pieces=(piece,),
        )  # fmt: skip

    def _pieces(self, numbers: Sequence[int], kind: Kind) -> Iterator[Piece]:
        if kind == "span":
            yield from self._of_span(numbers[0])
            return
        for number in numbers:
            mark: Mark = "failed" if kind == "tries" and self._case.trace.failed(number) else "work"
            yield self._piece(self._tree.begins[number], self._tree.ends[number], mark)
        if kind == "tries":
            for before, after in pairwise(numbers):
                yield self._piece(self._tree.ends[before], self._tree.begins[after], "wait")

    def _of_span(self, number: int) -> Iterator[Piece]:
        tree, trace = self._tree, self._case.trace
        begin, end = tree.begins[number], tree.ends[number]
        if trace.is_wait(number):
            yield self._piece(begin, end, "wait")
        elif tree.children[number]:
            yield self._piece(begin, end, "below")
            for since, until in gaps_of(tree, number):
                yield self._piece(since, until, "own")
            yield from self._waits(self._pauses.get(number, ()))
        else:
            yield self._piece(begin, end, "work")
            model = trace.meanings[number].model
            if model is not None and model.ttft_ns is not None and model.ttft_ns > 0:
                yield self._piece(begin, min(end, begin + model.ttft_ns), "first")

    def _waits(self, pauses: Sequence[Pause]) -> Iterator[Piece]:
        for _, begin, end in pauses:
            yield self._piece(begin, end, "wait")

    def _piece(self, begin: int, end: int, mark: Mark) -> Piece:
        return Piece(begin_ns=begin - self._origin, end_ns=end - self._origin, mark=mark)


def _as_rows(each_row: Sequence[Sequence[int]], kind: Kind) -> list[tuple[Sequence[int], Kind]]:
    return [(numbers, kind) for numbers in each_row]


def _alone(numbers: Sequence[int]) -> list[tuple[Sequence[int], Kind]]:
    return _as_rows([(number,) for number in numbers], "span")


def _tries(trace: Trace, numbers: Sequence[int]) -> Sequence[Sequence[int]]:
    """Return the siblings that are tries of one call: all failed but perhaps the last."""
    if not any(trace.failed(number) for number in numbers):
        return ()
    calls: dict[tuple[str, str], list[list[int]]] = {}
    for number in numbers:
        call = call_name(trace, number), arguments_hash(trace, number)
        runs = calls.setdefault(call, [[]])
        if runs[-1] and not _follows(trace, runs[-1][-1], number):
            runs.append([])
        runs[-1].append(number)
    return [run for runs in calls.values() for run in runs if len(run) > 1]


def _follows(trace: Trace, before: int, after: int) -> bool:
    """Tell whether a span may be the next try after one that failed."""
    return trace.failed(before) and trace.tree.begins[after] >= trace.tree.ends[before]
