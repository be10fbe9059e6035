"""What the faulty upstream does with one request."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from holdfast.testing.upstream.replies import Reply


class Fault(Enum):
    """How an endpoint may fail once a request has reached it.

    A refused connection is no fault of a request: see `Upstream.refuse`. In an answer that is not
    streamed, "the middle" and "after" mean half of its bytes.
    """

    RESET_BEFORE = "reset_before"
    """The connection is reset before any byte of an answer."""
    RESET_MIDDLE = "reset_middle"
    """The connection is reset in the middle."""
    HANG = "hang"
    """No byte comes until the exchange is released; then the answer does."""
    STALL = "stall"
    """The middle comes; the rest only when the exchange is released."""
    RATE_LIMITED = "rate_limited"
    """429, with `Retry-After` if the act has one."""
    SERVER_ERROR = "server_error"
    """500."""
    UNAUTHORISED = "unauthorised"
    """401."""
    UNPAID = "unpaid"
    """402."""
    ERROR_IN_BODY = "error_in_body"
    """200, and then an error: the whole body, or an event after the first ones."""
    MALFORMED = "malformed"
    """What comes in the middle is no JSON; the rest follows."""
    CUT = "cut"
    """The connection is closed in good order, but before the end of the answer."""
    WRONG_TYPE = "wrong_type"
    """200 and a web page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One answer, or one failure.

    `after` is how many events come before a failure in a stream. `retry_after` is the text of that
    header. With `paced` each event waits for `Exchange.step`. `charges` says whether a failing
    answer is charged for what came before the failure.
    """

    fault: Fault | None = None
    reply: Reply = field(default_factory=Reply)
    after: int = 2
    retry_after: str | None = None
    paced: bool = False
    charges: bool = True
