"""One call of an endpoint, from its permit to its outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holdfast.clock import Clock
from holdfast.errors import ProviderError
from holdfast.frozen import maker
from holdfast.routing.breakers.board import Pass
from holdfast.routing.cost import cost_msat
from holdfast.routing.faults import Fault
from holdfast.routing.ledger.entries import OK, Attempt
from holdfast.routing.seam import Price, Provider, Usage
from holdfast.routing.selection.choosing import Candidate
from holdfast.tracing.active import ActiveSpan

_FREE: Final = Price(input_msat_per_million=0, output_msat_per_million=0)
_NOT_CHARGED: Final = frozenset(
    {
        Fault.CONNECT, Fault.SERVER, Fault.RATE_LIMIT, Fault.AUTH, Fault.PAYMENT, Fault.MODEL,
        Fault.FORBIDDEN, Fault.CALLER,
    }
)  # fmt: skip
"""Faults that an endpoint answers with instead of working: nobody charges for them."""

_attempt = maker(Attempt)
Ended = Callable[["Call", Attempt], None]


class Call:
    """A call under way. The first outcome that is told counts; the rest is ignored.

    `span` is current until then. Whoever makes the call tells `note_first_byte`, and at its end
    `succeed`, `fail` or `leave`.
    """

    def __init__(
        self,
        candidate: Candidate,
        provider: Provider,
        permit: Pass,
        span: ActiveSpan,
        *,
        clock: Clock,
        max_tokens: int | None,
        ended: Ended,
    ) -> None:
        self.candidate = candidate
        self.provider = provider
        self.max_tokens = max_tokens
        self.span = span.__enter__()
        self.cost_msat: int | None = None
        self._permit = permit
        self._clock = clock
        self._ended = ended
        self._begin_ns = clock.monotonic_ns()
        self._first_ms: int | None = None
        self._is_open = True

    @property
    def model(self) -> str:
        """The name of the model at the provider."""
        return self.candidate.endpoint.model

    def note_first_byte(self) -> None:
        """Say that the answer has begun."""
        if self._first_ms is None:
            passed_ns = self._clock.monotonic_ns() - self._begin_ns
            self._first_ms = passed_ns // 1_000_000
            self.span.set(ttft_ns=passed_ns)

    def succeed(
        self,
        usage: Usage,
        *,
        charged_msat: int | None = None,
        free: bool = False,
    ) -> None:
        """Say that the answer came whole, what it used, and what the provider says it charged."""
        if not self._is_open:
            return
        quoted = 0 if free else cost_msat(self.candidate.endpoint.price, usage)
        self.cost_msat = quoted if charged_msat is None else charged_msat
        self._permit.succeed(self._first_ms)
        self._set_usage(usage)
        self._end(OK, self.cost_msat, quoted, usage)
        self.span.__exit__(None, None, None)

    def fail(self, error: ProviderError) -> None:
        """Say how the call failed."""
        if not self._is_open:
            return
        fault = Fault(error.fault)
        after = None if error.retry_after is None else round(error.retry_after * 1000)
        self._permit.fail(fault, after)
        nothing = fault in _NOT_CHARGED or self.candidate.endpoint.price == _FREE
        self._end(fault, 0 if nothing else None, None, Usage())
        self.span.__exit__(type(error), error, error.__traceback__)

    def leave(self, cause: BaseException | None = None) -> None:
        """Say that nobody waits for the answer any more."""
        if not self._is_open:
            return
        self._permit.fail(Fault.LEFT)
        free = self.candidate.endpoint.price == _FREE
        self._end(Fault.LEFT, 0 if free else None, None, Usage())
        kind = None if cause is None else type(cause)
        self.span.__exit__(kind, cause, None)

    def _set_usage(self, usage: Usage) -> None:
        told: dict[str, int | bool | None] = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_msat": self.cost_msat,
        }
        for name in ("cache_read_tokens", "cache_write_tokens", "reasoning_tokens"):
            if (count := getattr(usage, name)) is not None:
                told[name] = count
        if usage.beyond_tokens:
            told["beyond_tokens"] = True
        self.span.set(**told)

    def _end(self, outcome: str, charged: int | None, quoted: int | None, usage: Usage) -> None:
        self._is_open = False
        place = self.candidate.endpoint.place
        attempt = _attempt(
            provider=place.provider,
            model=place.model,
            outcome=outcome,
            charged_msat=charged,
            quoted_msat=quoted,
            usage=usage,
            latency_ms=(self._clock.monotonic_ns() - self._begin_ns) // 1_000_000,
            first_byte_ms=self._first_ms,
        )
        self._ended(self, attempt)
