"""A store of a million spans: what one takes on the disk, how quick percentiles and traces are.

A thousand traces of a thousand spans come twenty at a time, interleaved, with 377 bytes of attributes
each, as in the research note. All is settled before anything is asked.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median

from holdfast.tracing.digesting import digest_of
from holdfast.tracing.span import Span
from holdfast.tracing.store.opening import open_trace_store
from holdfast.tracing.store.seam import Retention, TraceStore

NAMES = [f"node {number}" for number in range(20)]
_INTERLEAVED, _BATCH, _ROUNDS = 20, 2000, 9
_START = 1_790_000_000_000_000_000


def measure(folder: Path, traces: int, spans: int) -> Mapping[str, float]:
    """Return the figures of a store with so many traces of so many spans."""
    path = folder / "traces.db"
    with open_trace_store(f"sqlite:{path}", digester=digest_of) as store:
        adding = _fill(store, traces, spans)
        begin = time.perf_counter()
        store.settle()
        settling = time.perf_counter() - begin
        ids = [f"{number + 1:032x}" for number in range(traces)]
        picked = random.Random(7).sample(ids, min(_ROUNDS, traces))
        figures = {
            "quantile_ms": _middle(store.statistics),
            "quantile_exact_ms": _middle(lambda: store.statistics(exact=True)),
            "load_ms": median(_timed(lambda each=each: store.spans(each)) for each in picked),
            "slowest_ms": _middle(lambda: store.slowest(NAMES[0])),
            "add_per_s": traces * spans / adding,
            "settle_per_s": traces * spans / settling,
        }
        store.sweep(Retention(), now_ns=_START)  # as whoever keeps a runtime open does each minute
    size = sum(each.stat().st_size for each in folder.glob("traces.db*"))
    return {**figures, "bytes_per_span": size / (traces * spans)}


def _fill(store: TraceStore, traces: int, spans: int) -> float:
    """Add all spans and return the seconds that adding took."""
    spent = 0.0
    batch: list[Span] = []
    for span in _spans(traces, spans):
        batch.append(span)
        if len(batch) == _BATCH:
            spent += _timed(lambda some=batch: store.add(some)) / 1000
            batch = []
    return spent + _timed(lambda: store.add(batch)) / 1000


def _spans(traces: int, spans: int) -> Iterator[Span]:
    chance = random.Random(1)
    for first in range(0, traces, _INTERLEAVED):
        for number in range(spans):
            for trace in range(first, min(traces, first + _INTERLEAVED)):
                yield _span(chance, trace, number)


def _span(chance: random.Random, trace: int, number: int) -> Span:
    return Span(
        trace_id=f"{trace + 1:032x}",
        span_id=f"{chance.getrandbits(63) + 1:016x}",
        parent_id=None if number == 0 else f"{trace + 1:016x}",
        name=NAMES[chance.randrange(len(NAMES))],
        kind="step",
        start_ns=_START + trace * 1_000_000_000 + number * 1_000_000 + chance.randrange(1_000_000),
        duration_ns=round(chance.lognormvariate(16, 1)),
        attributes={
            "gen_ai.request.model": chance.choice(["gpt-5", "claude-opus", "gemini-pro"]),
            "gen_ai.usage.input_tokens": chance.randrange(5000),
            "gen_ai.usage.output_tokens": chance.randrange(900),
            "http.url": "https://api.example.com/v1/chat/completions",
            "server.address": "api.example.com",
            "note": f"the quick brown fox jumps over {chance.randrange(10**9)} lazy dogs",
            "session.id": f"{chance.getrandbits(64):016x}",
            "temperature": 0.7,
            "thread.name": "MainThread",
            "stream": True,
        },
    )


def _middle(ask: Callable[[], object]) -> float:
    return median(_timed(ask) for _ in range(_ROUNDS))


def _timed(act: Callable[[], object]) -> float:
    """Return milliseconds."""
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1000


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    print(json.dumps(measure(Path(request["folder"]), request["traces"], request["spans"])))
