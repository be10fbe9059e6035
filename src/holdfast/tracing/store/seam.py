"""The seam of a trace store.

Its verbs block: whoever has an event loop calls them in a thread. A store may be used by several
threads, and by several processes at once. Every verb raises `StorageError` when the store fails and
`StorageTooNew` when a newer version wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Literal, Protocol, Self

from holdfast.frozen import frozen
from holdfast.tracing.digest import Call, TraceDigest
from holdfast.tracing.entries import Entry, Position
from holdfast.tracing.span import Span, Status
from holdfast.tracing.watching import UNWATCHED, Watch

Order = Literal["newest", "slowest", "dearest"]


@frozen
class Query:
    """Which traces are meant; what is not given does not matter.

    `since_ns` and `until_ns` are about when a trace began (from, and before). `name` is that of the
    trace, `span` the name of a span in it, `model` one that it called, with or without the provider
    and a slash in front, `text` words that its name, error or attributes hold.
    """

    trace_id: str = ""
    status: tuple[Status, ...] = ()
    name: str = ""
    span: str = ""
    workflow: str = ""
    session: str = ""
    user: str = ""
    release: str = ""
    model: str = ""
    error_class: str = ""
    fingerprint: str = ""
    since_ns: int | None = None
    until_ns: int | None = None
    at_least_ns: int | None = None
    text: str = ""


ANY = Query()


@frozen
class Page:
    """Some traces in the order that was asked for; `cursor` is empty on the last page."""

    traces: Sequence[TraceDigest]
    cursor: str = ""


@frozen
class NameStatistics:
    """All spans of one name, times in nanoseconds.

    `exact` says whether the times are counted or estimated within one per cent by a sketch.
    """

    name: str
    count: int
    errors: int
    total_ns: int
    p50_ns: float
    p95_ns: float
    p99_ns: float
    exact: bool


@frozen
class ErrorGroup:
    """All sightings of one fingerprint. `traces` are the newest few that have it."""

    fingerprint: str
    error_class: str
    kind: str
    message: str
    count: int
    traces_count: int
    first_ns: int
    last_ns: int
    traces: tuple[str, ...]
    cost_msat: int | None = None
    """What the traces that have it cost together; None if that is unknown of one of them."""


CostBy = Literal["trace", "workflow", "model", "provider", "user", "day", "name"]


@frozen
class CostRow:
    """The bill of all calls with the same `key`. Unknown cost is counted, never added as zero."""

    key: str
    calls: int
    unknown: int
    cost_msat: int
    cost_micros: int
    currency: str
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int


@frozen
class StoreState:
    """How large a store is, and what was lost on the way to it, with the reasons."""

    traces: int
    spans: int
    open_spans: int
    bytes: int
    payload_bytes: int
    pinned: int
    lost: int
    losses: Mapping[str, int]


@frozen
class Retention:
    """What is kept: days (None: for ever) and bytes. Payloads may go before their spans."""

    days: float | None = None
    payload_days: float | None = None
    bytes: int | None = None


@frozen
class Swept:
    """What a sweep removed."""

    traces: int
    parts: int
    bytes: int


class TraceStore(Protocol):
    """Keep traces, find them, and count over them."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def add(self, entries: Iterable[Entry]) -> None:
        """Keep entries; durable and visible to every reader when it returns.

        They come in any order: a child before its parent, a span after its trace was packed. A
        span that is there already is replaced. An `Opened` never replaces a `Span`.
        """
        ...

    def position(self, ring: str) -> Position:
        """Return how far this ring has been taken in."""
        ...

    def advance(self, ring: str, entries: Sequence[Entry], *, was: Position, now: Position) -> bool:
        """Keep entries of a ring and how far it has been read, together.

        Nothing is kept and the answer is false if somebody else has taken in more than `was`.
        """
        ...

    def bury(self, ring: str, *, at_ns: int) -> int:
        """The process of a ring is dead: its open spans become lost. Return how many.

        `at_ns` is when it was last known to live: where their duration ends. The ring is forgotten.
        """
        ...

    def settle(self, *, most: int | None = None, watch: Watch = UNWATCHED) -> int:
        """Make digests, statistics and packs of what has come in since; return how many traces.

        Readers call it themselves; whoever adds may call it when there is time. With `most` only so
        many traces, oldest change first. Some are settled at a time: what ends it, an interrupt or
        what `watch` raises, loses the work on the last few, and no span.
        """
        ...

    def unsettle(self, query: Query = ANY) -> int:
        """Let `settle` make the digests of traces anew; return how many.

        For when what they are made with has changed, such as prices.
        """
        ...

    def spans(self, trace_id: str) -> Sequence[Span]:
        """Return the spans of a trace, also open and lost ones, in the order they began."""
        ...

    def find(self, prefix: str, *, limit: int = 10) -> Sequence[str]:
        """Return the ids of traces that begin with `prefix`, newest first."""
        ...

    def digest(self, trace_id: str) -> TraceDigest | None:
        """Return the digest of one trace, None if there is no such trace."""
        ...

    def traces(
        self, query: Query = ANY, *, order: Order = "newest", limit: int = 20, cursor: str = ""
    ) -> Page:
        """Return a page of traces, their `calls` and `sightings` left out.

        Pages of `newest` neither skip nor repeat a trace that was there before the first one.
        """
        ...

    def part(self, hash_: bytes) -> bytes | None:
        """Return the compressed part of a payload, None if it is not there (any more)."""
        ...

    def statistics(
        self, query: Query = ANY, *, exact: bool = False, limit: int | None = None
    ) -> Sequence[NameStatistics]:
        """Return how long the spans of each name took, the largest total first.

        Without `exact`, from sketches by name, hour and release: of a query only `span`,
        `since_ns`, `until_ns` (both by the hour) and `release` matter then.
        """
        ...

    def durations(self, name: str, query: Query = ANY) -> Mapping[str, Sequence[int]]:
        """Return all durations in nanoseconds of spans of this name, by trace."""
        ...

    def slowest(self, name: str, *, limit: int = 10, query: Query = ANY) -> Sequence[Span]:
        """Return the spans of this name that took longest, longest first."""
        ...

    def errors(self, query: Query = ANY, *, limit: int = 50) -> Sequence[ErrorGroup]:
        """Return the errors that began in a span (not those that passed), most frequent first."""
        ...

    def costs(self, by: CostBy, query: Query = ANY, *, limit: int = 100) -> Sequence[CostRow]:
        """Return the bill, dearest first; by `name`, that of the trace."""
        ...

    def calls(self, query: Query = ANY, *, limit: int = 1000) -> Sequence[tuple[str, Call]]:
        """Return model calls with the id of their trace, newest first."""
        ...

    def pin(self, trace_id: str, *, pinned: bool = True) -> bool:
        """Keep a trace whatever its age, or no longer; false if there is no such trace."""
        ...

    def sweep(self, retention: Retention, *, now_ns: int) -> Swept:
        """Remove what is older or more than is to be kept, whole traces, oldest first.

        Pinned traces and those with open spans stay. Parts that nothing refers to any more go.
        """
        ...

    def forget(self, query: Query) -> int:
        """Remove all traces that a query finds (of a user, say), pinned or not; return how many."""
        ...

    def state(self) -> StoreState:
        """Return how large it is and what was lost."""
        ...


class Askable(Protocol):
    """A store that people may ask in SQL."""

    def ask(
        self, sql: str, *, limit: int = 1000
    ) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """Return the names of the columns and the rows of one query that only reads.

        The views `traces`, `spans`, `calls`, `errors` and `names` are for people and stay the same.

        Raises:
            UsageError: it is not one statement, or it would write.
        """
        ...
