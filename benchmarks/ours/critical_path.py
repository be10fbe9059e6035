"""How long it takes to say what the end of a trace of 10,000 spans waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from timeit import repeat

from benchmarks.ours.runtime import Request, answer
from holdfast.tracing.analysis.paths import critical_path
from holdfast.tracing.analysis.tree import tree_of
from holdfast.tracing.analysis.verdict import verdict_of
from holdfast.tracing.span import Span

_ROUNDS = 9


def trace(size: int, seed: int = 7) -> Sequence[Span]:
    """Return the spans of a run as a store gives them: in the order in which they began.

    A run has steps, one after the other or three at once; a step calls models and tools; a tool
    calls a database. Each takes its own time before, between and after.
    """
    random = Random(seed)
    spans: list[Span] = []
    at = 0
    while len(spans) < size - 1:
        ends = [
            _step(spans, at + random.randint(0, 9), random) for _ in range(random.choice((1, 1, 3)))
        ]
        at = max(ends) + random.randint(1, 10_000)
    spans = [_span(0, None, "run", "run", 0, at), *spans[: size - 1]]
    return sorted(spans, key=lambda span: span.start_ns)


def _step(spans: list[Span], at: int, random: Random) -> int:
    number, begin = len(spans) + 1, at
    spans.append(_span(number, 0, "step", "step", begin, 0))
    for _ in range(random.randint(1, 6)):
        at += random.randint(1, 1_000)
        name = random.choice(("search", "read", "answer"))
        call, called = len(spans) + 1, at
        at += random.randint(10_000, 900_000)
        spans.append(_span(call, number, name, "model" if name == "answer" else "tool", called, at))
        if name == "read":
            spans.append(_span(call + 1, call, "SELECT", "database", called + 500, at - 500))
    spans[number - 1] = _span(number, 0, "step", "step", begin, at + 100)
    return at + 100


def _span(number: int, parent: int | None, name: str, kind: str, begin: int, end: int) -> Span:
    return Span(
        trace_id="7" * 32,
        span_id=f"{number:016x}",
        parent_id=None if parent is None else f"{parent:016x}",
        name=name,
        kind=kind,
        start_ns=1_700_000_000_000_000_000 + begin,
        duration_ns=max(0, end - begin),
    )


async def measure(request: Request, folder: Path) -> Mapping[str, float]:
    """Return the best of several times, in milliseconds, from spans and from a tree."""
    del folder
    spans = trace(int(str(request.get("spans", 10_000))))
    tree = tree_of(spans)
    return {
        "spans": len(spans),
        "on_path": len({number for number, _, _ in critical_path(tree)}),
        "critical_path_ms": best_ms(lambda: critical_path(tree_of(spans))),
        "path_alone_ms": best_ms(lambda: critical_path(tree)),
        "verdict_ms": best_ms(lambda: verdict_of(spans), rounds=3),
    }


def best_ms(work: Callable[[], object], rounds: int = _ROUNDS) -> float:
    """Return the shortest of several times, in milliseconds.

    As `timeit` measures: without collecting garbage, which is there because of other objects.
    """
    return min(repeat(work, number=1, repeat=rounds)) * 1000


if __name__ == "__main__":
    answer(measure)
