"""What goes into the ledger and what it answers. Amounts are whole msat; unknown is None, never 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from holdfast.frozen import NamedTuple, frozen
from holdfast.routing.cost import format_msat
from holdfast.routing.seam import Usage

OK = "ok"
"""The outcome of a request that was answered whole."""
CANCELLED = "cancelled"
"""The outcome of a request that nobody waited for any more before anything was sent."""
REFUSED = "refused"
"""The outcome of a request that was not let in, so that nothing was sent."""

State = Literal["open", "in_doubt", "settled", "released"]


class Scope(NamedTuple):
    """What money is counted by: `total` (no name), `day` (2026-11-26, UTC), `owner`, `run` or `key`.

    Another one counts only the requests that were reserved under a cap of it.
    """

    kind: str
    name: str = ""


@frozen
class Cap:
    """The most that may be spent in a scope, in msat."""

    scope: Scope
    limit_msat: int


@frozen
class Reserve:
    """How much to hold for a request, None if nobody can say, and the tokens out that it pays for."""

    amount_msat: int | None
    max_tokens: int | None = None


Amount = int | None | Callable[[int | None], Reserve]
"""What to hold: msat, or a rule that is told the room under all caps (None: there is no cap)."""


@frozen
class CapReached:
    """A request that was not let in. `wanted_msat` is None if nobody knows what it would cost."""

    scope: Scope
    limit_msat: int
    spent_msat: int
    reserved_msat: int
    wanted_msat: int | None

    @property
    def message(self) -> str:
        """What to tell the caller, in one sentence."""
        whose = f"{self.scope.kind} {self.scope.name!r}" if self.scope.name else "everything"
        budget = f"the budget of {format_msat(self.limit_msat)} for {whose}"
        if self.wanted_msat is None:
            return f"{budget} cannot hold a request of which nobody knows the price"
        return (
            f"{budget} does not allow another {format_msat(self.wanted_msat)}: "
            f"{format_msat(self.spent_msat)} are spent, {format_msat(self.reserved_msat)} reserved"
        )


@frozen
class RequestStart:
    """What is known of a request before anything is sent. `id` are 32 hexadecimal digits."""

    id: str
    at_ms: int
    model: str
    """The model that was asked for."""
    owner: str = ""
    run_id: str = ""
    key_id: str = ""
    policy: str = ""
    request_class: str = ""
    stream: bool = False
    tier: str = ""
    complexity: float | None = None
    provider: str = ""
    """Who is asked first: should the process die, that is who probably charged."""


@frozen
class Attempt:
    """One call of a provider. `charged_msat` is None if nobody knows what it cost."""

    provider: str
    model: str
    outcome: str
    charged_msat: int | None
    quoted_msat: int | None = None
    usage: Usage = Usage()
    latency_ms: int = 0
    first_byte_ms: int | None = None


@frozen
class RequestEnd:
    """How a request ended. `outcome` is `ok`, the class of a failure, `cancelled` or the like."""

    outcome: str
    attempts: tuple[Attempt, ...] = ()
    provider: str = ""
    """Who served it; empty if nobody did."""
    model: str = ""
    tier: str = ""
    """The tier of who served it."""
    latency_ms: int = 0
    message: str = ""
    cut_off: bool = False
    """Whether the answer ended at its limit of tokens."""

    @property
    def retries(self) -> int:
        """How many calls came after the first one."""
        return max(0, len(self.attempts) - 1)


@frozen
class Reservation:
    """Money that is held for a request until it is settled or released."""

    start: RequestStart
    amount_msat: int | None
    max_tokens: int | None
    """The limit of tokens that the amount pays for; None leaves the request's own."""
    number: int
    """The row of the ledger."""
    scopes: tuple[Scope, ...]
    """What it counts in."""

    @property
    def request_id(self) -> str:
        """The id of the request."""
        return self.start.id


@frozen
class Settled:
    """What a request was debited: the sum of the charges that are known.

    `unknown_msat` is still held for charges that are not; `charged_msat` is None then.
    """

    debit_msat: int
    charged_msat: int | None
    unknown_msat: int = 0
    distrusted: tuple[str, ...] = ()
    """Providers that charged above their quotes once too often with this request."""


@frozen
class NotOpen:
    """The request is not in a state that allows this: it is `state`, None if nobody reserved it."""

    request_id: str
    state: State | None


@frozen
class Spent:
    """What a scope has spent and holds, in msat."""

    settled_msat: int = 0
    reserved_msat: int = 0
    """For requests that are on their way."""
    in_doubt_msat: int = 0
    """For requests whose process died before it could say what they cost."""
    unknown_msat: int = 0
    """For requests that ended with a charge that nobody knows."""
    requests: int = 0
    """Requests that are settled or in doubt."""
    unknown_requests: int = 0
    """Those among them whose cost is not known."""

    @property
    def held_msat(self) -> int:
        """All that a cap counts."""
        return self.settled_msat + self.reserved_msat + self.in_doubt_msat + self.unknown_msat


class Unknown(NamedTuple):
    """A request of which nobody knows the whole cost: what is held for the rest, and what is known."""

    request_id: str
    held_msat: int
    known_msat: int


@frozen
class ProviderCharges:
    """What a provider charged, over all time; `under_way` are requests that may be on their way to it."""

    charged_msat: int = 0
    calls: int = 0
    unknown: tuple[Unknown, ...] = ()
    under_way: int = 0
