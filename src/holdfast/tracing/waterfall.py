"""Show a trace in a terminal: rows with bars, and the whole of it in a few lines of text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from textwrap import wrap

from holdfast.tracing.analysis.folding import FOLDED, Mark, Piece, Row, fold
from holdfast.tracing.analysis.suspects import Case, case_of
from holdfast.tracing.analysis.text import first_number, one_line
from holdfast.tracing.analysis.times import percentile, speeds_of, with_below
from holdfast.tracing.analysis.trace import read_trace
from holdfast.tracing.analysis.tree import tree_of
from holdfast.tracing.analysis.verdict import Verdict, judge
from holdfast.tracing.analysis.words import count_of, percent, sats, took
from holdfast.tracing.digest import TraceDigest
from holdfast.tracing.digesting import digest_of
from holdfast.tracing.span import Span

__all__ = ["FOLDED", "Piece", "Row", "bar", "fold", "text_of", "total_ns", "waterfall"]

_DRAWN: Mapping[Mark, str] = {
    "below": "─", "own": "▒", "work": "█", "first": "░", "wait": "·", "failed": "x", "gap": "?",
}  # fmt: skip
_LEGEND = "* on the critical path; █ work, ▒ own time, ─ below, ░ to the first token, · waiting, x failed try"
_SHORT_LEGEND = "* on the critical path"
_LEAST_LINES, _LEAST_WIDTH = 10, 24
_LEAST_FOR_BARS = 60
"""Characters of a line below which the facts need all of it."""
_ROOMY = 20
"""Lines from which on what is long may go on in a second one."""
_SHORT_ID = 8
_FEWEST_OF_NAME = 12
_DEEPEST = 12
_VERDICT_LINES = 3
_USUAL = frozenset({"ok", "unset"})


def waterfall(spans: Sequence[Span]) -> list[Row]:
    """Return a row a span. A span whose parent was lost in a crash stands at the top."""
    tree = tree_of(spans)
    begin = tree.begin
    return [
        Row(
            span, tree.depths[number], tree.begins[number] - begin,
            took_ns=tree.ends[number] - tree.begins[number], number=number,
        )
        for number, span in enumerate(tree.spans)
    ]  # fmt: skip


def total_ns(rows: Sequence[Row]) -> int:
    """Return the time from the beginning of the first row to the end of the last."""
    return max((row.offset_ns + row.took_ns for row in rows), default=0)


def bar(row: Row, total: int, width: int) -> str:
    """Return `width` characters that show where in `total` nanoseconds the row lies."""
    if total <= 0:
        return "█" + " " * (width - 1)
    cells = [" "] * width
    whole = Piece(begin_ns=row.offset_ns, end_ns=row.offset_ns + row.took_ns, mark="work")
    for piece in row.pieces or (whole,):
        begin = min(width - 1, max(0, piece.begin_ns * width // total))
        length = max(1, round((piece.end_ns - piece.begin_ns) * width / total))
        for place in range(begin, min(width, begin + length)):
            cells[place] = _DRAWN[piece.mark]
    return "".join(cells)


def text_of(
    spans: Sequence[Span],
    *,
    lines: int = 40,
    width: int = 100,
    digest: TraceDigest | None = None,
) -> str:
    """Return a trace of any size as at most `lines` lines (at least 10) of at most `width` characters.

    It says what became of it and why, what it cost, and the tree folded to what matters; what was
    left out is counted. Without `digest` it is made here, without prices.
    """
    if not spans:
        return "there are no spans\n"
    lines, width = max(_LEAST_LINES, lines), max(_LEAST_WIDTH, width)
    case = case_of(read_trace(spans))
    verdict = judge(case)
    digest = digest or digest_of(spans)
    most = 2 if lines >= _ROOMY else 1
    head = _head(case, verdict, digest, width, most)
    support = _support(verdict, max(0, (lines - 12) // 4), width)
    legend = _wrapped(_LEGEND if width >= _LEAST_FOR_BARS else _SHORT_LEGEND, width, most=most)
    room = lines - len(head) - len(support) - len(legend) - 2 - bool(support)
    tree, left_out = _tree(case, _Facts(case, digest), room, width)
    said = [*head, "", *tree, _left_out(case, left_out), *legend]
    if support:
        said += ["", *support]
    return "".join(f"{_cut(printable(line), width)}\n" for line in said)


def printable(text: str) -> str:
    """Return a text without anything that moves the cursor or changes colours of a terminal."""
    return "".join(each if each.isprintable() else " " for each in text)


def _cut(text: str, width: int) -> str:
    text = text.rstrip()
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _support(verdict: Verdict, most: int, width: int) -> Sequence[str]:
    """Return what speaks for the verdict; a sentence goes on in a second line, if it must."""
    return [
        line
        for each in verdict.support[:most]
        for line in _wrapped(f"- {each.text}", width, most=2, hanging="  ")
    ]


def _wrapped(text: str, width: int, *, most: int, hanging: str = "") -> Sequence[str]:
    return wrap(printable(text), width, subsequent_indent=hanging, max_lines=most, placeholder="…")


def _head(
    case: Case, verdict: Verdict, digest: TraceDigest, width: int, most: int
) -> Sequence[str]:
    spans = count_of(digest.spans, "span")
    errors = f", {digest.errors:,} failed" if digest.errors else ""
    name = one_line(digest.name, 60) or "unnamed"
    facts = f"{digest.status}  {took(digest.duration_ns)}  {spans}{errors}"
    rest = f"  {digest.trace_id}  {facts}"
    if width - len(rest) < min(len(name), _FEWEST_OF_NAME):
        rest = f"  {digest.trace_id[:_SHORT_ID]}  {facts}"
    title = _cut(name, max(_FEWEST_OF_NAME, width - len(rest))) + rest
    return (
        *_wrapped(title, width, most=most, hanging="  "),
        *_wrapped(verdict.line.text, width, most=_VERDICT_LINES),
        *_wrapped(_bill(case, digest), width, most=most),
    )


def _bill(case: Case, digest: TraceDigest) -> str:
    """Return the line about money, tokens and the speed of models."""
    speeds = speeds_of(case.trace)
    if not speeds and not digest.calls:
        return "no model was called"
    parts = [count_of(len(speeds) or len(digest.calls), "model call"), _cost(digest)]
    inward, outward = digest.usage.total_input, digest.usage.total_output
    if inward is not None or outward is not None:
        parts.append(f"{_count(inward)} tokens in, {_count(outward)} out")
    first = sorted(each.ttft_ns for each in speeds if each.ttft_ns is not None)
    if first:
        parts.append(f"first token after {took(percentile(first, 0.5))}")
    fast = sorted(round(each.per_second) for each in speeds if each.per_second)
    if fast:
        parts.append(f"{percentile(fast, 0.5):,} tokens a second")
    return ", ".join(parts)


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _cost(digest: TraceDigest) -> str:
    known: list[str] = []
    if digest.cost_msat is not None:
        known.append(sats(digest.cost_msat))
    if digest.cost_micros is not None and digest.currency:
        known.append(f"{digest.cost_micros / 1e6:.4f} {digest.currency}")
    if not known:
        return "cost unknown"
    return "cost " + " / ".join(known) + ("" if digest.cost_known else " and more, not all known")


def _left_out(case: Case, left_out: int) -> str:
    if not left_out:
        return f"all {count_of(len(case.trace.tree.spans), 'span')} are shown"
    return f"left out: {left_out:,} of {count_of(len(case.trace.tree.spans), 'span')}"


def _tree(case: Case, facts: _Facts, room: int, width: int) -> tuple[Sequence[str], int]:
    """Return as many rows as there is room for, and how many spans they do not stand for."""
    rows = fold(case)
    weights = _weights(case, rows)
    ranked = sorted(range(len(rows)), key=lambda place: (-weights[place], place))
    shown = sorted(ranked[: max(1, room)])
    total = max(1, case.trace.tree.end - case.trace.tree.begin)
    names = [
        _name(rows[place], hidden, min(_DEEPEST, width // 8))
        for place, hidden in zip(shown, _hidden(rows, shown), strict=True)
    ]
    column = min(max(map(len, names)), width * 2 // 5)
    drawn = max(10, min(30, width - column - 45)) if width >= _LEAST_FOR_BARS else 0
    said = [
        f"{'*' if rows[place].is_critical else ' '} {_cut(name, column).ljust(column)} "
        f"{f'|{bar(rows[place], total, drawn)}|' if drawn else ''} {facts.of(rows[place])}"
        for place, name in zip(shown, names, strict=True)
    ]
    return said, len(case.trace.tree.spans) - sum(
        rows[place].spans if rows[place].kind != "group" else rows[place].count for place in shown
    )


def _weights(case: Case, rows: Sequence[Row]) -> Sequence[float]:
    """Return how much each row matters; never less than a row below it, so no parent is missing."""
    suspected = {suspect.number: suspect.score for suspect in reversed(case.suspects[:8])}
    total = max(1, case.trace.tree.end - case.trace.tree.begin)
    weights: list[float] = []
    for row in rows:
        weight = (2 * row.path_ns + row.took_ns) / total
        if row.kind != "gap":
            weight += suspected.get(row.number, 0.0) + (5.0 if row.failed else 0.0)
        weights.append(weight)
    heaviest: dict[int, float] = {}
    for place in range(len(rows) - 1, -1, -1):
        depth = rows[place].depth
        weights[place] = max(weights[place], heaviest.pop(depth + 1, 0.0))
        heaviest[depth] = max(weights[place], heaviest.get(depth, 0.0))
    return weights


def _hidden(rows: Sequence[Row], shown: Sequence[int]) -> Sequence[int]:
    """Return how many rows below each shown one, and above the next, are not shown."""
    return [after - place - 1 for place, after in pairwise([*shown, len(rows)])]


def _name(row: Row, hidden: int, deepest: int) -> str:
    depth = "  " * row.depth if row.depth <= deepest else f"{'  ' * deepest}<{row.depth}> "
    more = f" (+{hidden:,})" if hidden else ""
    return f"{depth}{one_line(row.name, 60)}{more}"


class _Facts:
    """Say what stands behind a bar. Money and tokens are those of the row and all below it."""

    def __init__(self, case: Case, digest: TraceDigest) -> None:
        self._case = case
        self._total_ns = case.times.total_ns
        self._origins = {failure.number for failure in case.failures if failure.origin}
        self._speeds = {speed.span_id: speed for speed in speeds_of(case.trace)}
        calls = {call.span_id: call for call in digest.calls}
        numbers = case.trace.tree.numbers()
        size = len(case.trace.tree.spans)
        costs, tokens = [0] * size, [0] * size
        for id_, call in calls.items():
            if id_ in numbers:
                costs[numbers[id_]] = call.msat or 0
                tokens[numbers[id_]] = (call.usage.total_input or 0) + (
                    call.usage.total_output or 0
                )
        self._costs = with_below(case.trace.tree, costs)
        self._tokens = with_below(case.trace.tree, tokens)

    def of(self, row: Row) -> str:
        """Return the facts of a row, the most telling first."""
        is_untold = row.kind == "span" and row.span.status == "lost" and not row.took_ns
        parts = [] if is_untold else [took(row.took_ns)]
        if row.kind == "group":
            parts.append(f"sum {took(row.sum_ns)}, p95 {took(row.p95_ns)}")
        if row.kind == "tries":
            parts.append(f"{row.count} tries")
        if row.path_ns and row.depth:
            parts.append(percent(row.path_ns, self._total_ns))
        if row.kind == "group" and row.failed:
            parts.append(f"{row.failed} failed")
        elif row.kind != "gap" and row.span.status not in _USUAL:
            said = one_line(row.span.error, 60) if row.number in self._origins else ""
            parts.append(f"{row.span.status} {said}".strip())
        if row.kind != "gap":
            parts += self._more(row)
        return "  ".join(parts)

    def _more(self, row: Row) -> Iterator[str]:
        attempts = first_number(row.span.attributes, ("attempts",))
        if attempts is not None and attempts > 1 and row.kind == "span":
            yield f"{attempts} tries"
        speed = self._speeds.get(row.span.span_id)
        if speed is not None and speed.ttft_ns is not None and row.kind == "span":
            fast = f", {speed.per_second:.0f}/s" if speed.per_second else ""
            yield f"first {took(speed.ttft_ns)}{fast}"
        tokens = sum(self._tokens[number] for number in row.numbers)
        if tokens:
            yield f"{tokens:,} tok"
        cost = sum(self._costs[number] for number in row.numbers)
        if cost:
            yield f"{sats(cost)}"
