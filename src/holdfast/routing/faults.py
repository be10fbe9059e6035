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
    """HTTP 401 or 403: the key is not accepted."""
    PAYMENT = "payment"
    """HTTP 402: the key has no money left."""
    MODEL = "model"
    """HTTP 404: the endpoint does not know the model."""
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

NOT_COUNTED: Final = frozenset({Fault.CALLER, Fault.LEFT})
"""Outcomes that say nothing about the endpoint."""

PASSED_OVER: Final = frozenset(Fault) - NOT_COUNTED
"""Faults after which another endpoint is asked."""
