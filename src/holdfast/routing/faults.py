"""The ways in which a call to a model fails, and what each of them says about the endpoint."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """Why a call failed, or the call that it was if nobody but the caller is to blame."""

    CONNECT = "connect"
    """No connection: refused, no such host, no trusted certificate, too slow."""
    FIRST_BYTE = "first_byte"
    """Connected, and nothing came within the time for the first byte, or it was reset before."""
    IDLE = "idle"
    """The answer fell silent in the middle for longer than it may."""
    TRUNCATED = "truncated"
    """The answer broke off before its end."""
    SERVER = "server"
    """HTTP 5xx or another status by which the endpoint says that it cannot serve now."""
    MALFORMED = "malformed"
    """What came is no answer: a web page, broken JSON, an event that cannot be read."""
    IN_BAND = "in_band"
    """An error inside an answer whose status was success."""
    RATE_LIMIT = "rate_limit"
    """HTTP 429: the endpoint is well and wants to be left alone for a while."""
    AUTH = "auth"
    """HTTP 401: the key is not accepted."""
    PAYMENT = "payment"
    """HTTP 402: the key has no money left."""
    MODEL = "model"
    """HTTP 404: the endpoint does not know the model."""
    FORBIDDEN = "forbidden"
    """HTTP 403: the endpoint will not do this for this key, or not this request."""
    CALLER = "caller"
    """Another 4xx, or a reply that was refused: the request would fail anywhere."""
    LEFT = "left"
    """Whoever asked went away before the end."""


COUNTED: Final = frozenset(
    {
        Fault.CONNECT,
        Fault.FIRST_BYTE,
        Fault.IDLE,
        Fault.TRUNCATED,
        Fault.SERVER,
        Fault.MALFORMED,
        Fault.IN_BAND,
    }
)
"""Faults of the endpoint: enough of them in a row open its circuit."""

OF_THE_KEY: Final = frozenset({Fault.AUTH, Fault.PAYMENT})
"""Faults that every model behind the same key shares, until the key or its balance changes."""

PASSED_OVER: Final = frozenset(Fault) - {Fault.CALLER, Fault.LEFT}
"""Faults after which another endpoint is asked."""


def fault_of_status(status: int) -> Fault:
    """Return what an HTTP status other than success says about an endpoint."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return Fault.SERVER
    return Fault.CALLER if status >= 400 else Fault.MALFORMED


_BY_STATUS: Final = {
    401: Fault.AUTH,
    402: Fault.PAYMENT,
    403: Fault.FORBIDDEN,
    404: Fault.MODEL,
    408: Fault.SERVER,
    425: Fault.SERVER,
    429: Fault.RATE_LIMIT,
}
