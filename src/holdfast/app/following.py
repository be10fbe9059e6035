"""Follow the traces of a project: what is new in them each time somebody asks."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from holdfast.app.places import traces_folder
from holdfast.app.traces import NOWHERE, RINGS, open_traces, traces_address
from holdfast.frozen import replace
from holdfast.settings import Settings
from holdfast.tracing.collecting import collect
from holdfast.tracing.digest import TraceDigest
from holdfast.tracing.span import Span
from holdfast.tracing.store.seam import ANY, Query, TraceStore
from holdfast.tracing.watching import Watch

MOST = 50
"""So many traces are looked at: the newest, and as many of those that are still open."""


class Follower:
    """Tells what is new in the traces each time it is asked; what was there before is not new."""

    def __init__(
        self, store: TraceStore, rings: Path | None, *, query: Query = ANY, from_now: bool
    ) -> None:
        self._store = store
        self._rings = rings
        self._query = query
        self._seen: dict[str, set[str]] = {}
        self._sizes: dict[str, object] = {}
        self._open: dict[str, Sequence[Span]] = {}
        if from_now:
            self.news()

    def news(self) -> list[Span]:
        """Return the spans that have ended since the last time, in the order of their ends."""
        if self._rings is not None:
            collect(self._rings, self._store)
        fresh: list[Span] = []
        for digest in self._watched():
            trace_id, size = digest.trace_id, (digest.spans, digest.status, digest.errors)
            if self._sizes.get(trace_id) != size or digest.status == "open":
                self._sizes[trace_id] = size
                fresh += self._ended(trace_id)
        return sorted(fresh, key=lambda span: span.end_ns)

    def open(self) -> list[Span]:
        """Return the spans that were open the last time."""
        return [span for spans in self._open.values() for span in spans]

    def _watched(self) -> Iterator[TraceDigest]:
        """Yield the newest traces, those that are open however old they are, and those that were."""
        newest = self._store.traces(self._query, limit=MOST).traces
        is_open = replace(self._query, status=("open",))
        found = {each.trace_id: each for each in newest}
        found |= {each.trace_id: each for each in self._store.traces(is_open, limit=MOST).traces}
        yield from found.values()
        for trace_id in [each for each, spans in self._open.items() if spans]:
            if trace_id not in found and (digest := self._store.digest(trace_id)) is not None:
                yield digest

    def _ended(self, trace_id: str) -> list[Span]:
        spans = self._store.spans(trace_id)
        seen = self._seen.setdefault(trace_id, set())
        self._open[trace_id] = [span for span in spans if span.status == "open"]
        fresh = [span for span in spans if span.status != "open" and span.span_id not in seen]
        seen.update(span.span_id for span in fresh)
        return fresh


def has_traces(settings: Settings) -> bool:
    """Whether anything was ever traced here, so that there is a place to follow."""
    return traces_address(settings, make=False) != NOWHERE


@contextmanager
def open_follower(
    settings: Settings, *, query: Query = ANY, from_now: bool, watch: Watch | None = None
) -> Generator[Follower]:
    """Give what tells news of the traces that are meant; unless `from_now`, all there is is news.

    `watch` is told how far what was there before is settled.
    """
    folder = traces_folder(settings)
    with open_traces(settings, make=False, watch=watch) as store:
        rings = folder / RINGS if folder is not None and has_traces(settings) else None
        yield Follower(store, rings, query=query, from_now=from_now)
