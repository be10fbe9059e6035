"""What is kept of a trace beside its spans: the row of a list, its bill, its errors.

A digest is derived: it is made from the spans whenever they change, by the function that the store
was given, and may be thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from holdfast.frozen import field, frozen
from holdfast.tracing.meaning import TokenUsage
from holdfast.tracing.span import Span, Status


@frozen
class Call:
    """One model call on the bill of a trace. Money is msat, or millionths of a currency.

    None means unknown, which is never zero. `told_msat` is what the provider or the router said,
    `priced_msat` what the price table makes of the usage.
    """

    span_id: str
    start_ns: int
    duration_ns: int
    provider: str
    model: str
    usage: TokenUsage
    told_msat: int | None = None
    priced_msat: int | None = None
    told_micros: int | None = None
    priced_micros: int | None = None
    currency: str = ""
    ttft_ns: int | None = None

    @property
    def msat(self) -> int | None:
        """What it cost in msat: as told, else as priced."""
        return self.told_msat if self.told_msat is not None else self.priced_msat

    @property
    def micros(self) -> int | None:
        """What it cost in millionths of `currency`: as told, else as priced."""
        return self.told_micros if self.told_micros is not None else self.priced_micros


@frozen
class Sighting:
    """One error of a trace. `origin` is true where it began, not where it passed."""

    span_id: str
    fingerprint: str
    error_class: str
    kind: str
    message: str
    origin: bool
    swallowed: bool = False


@frozen
class TraceDigest:
    """One trace in a list. `name` is that of its first root, `status` its worst news.

    `cost_msat` and `cost_micros` are sums over `calls`; `cost_known` is false when the cost of
    one of them is unknown.
    """

    trace_id: str
    name: str
    start_ns: int
    duration_ns: int
    status: Status
    spans: int
    errors: int
    workflow: str = ""
    session: str = ""
    user: str = ""
    release: str = ""
    usage: TokenUsage = TokenUsage()
    cost_msat: int | None = None
    cost_micros: int | None = None
    currency: str = ""
    cost_known: bool = True
    error: str = ""
    calls: Sequence[Call] = ()
    sightings: Sequence[Sighting] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


Digester = Callable[[Sequence[Span]], TraceDigest]
"""Makes the digest of one trace from all its spans (at least one). Must not raise."""
