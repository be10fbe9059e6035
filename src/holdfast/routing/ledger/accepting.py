"""Refuse what cannot be booked, with `UsageError`. Pure."""

from __future__ import annotations

from holdfast.errors import UsageError
from holdfast.ids import ID_LENGTH
from holdfast.routing.ledger.entries import RequestEnd

MOST_MSAT = 2**53
"""The largest amount of one booking: 9,007 million sat, exact also in JSON of others."""


def check_id(text: str) -> None:
    """Refuse what is no id of a request."""
    try:
        is_id = len(text) == ID_LENGTH and bytes.fromhex(text).hex() == text
    except ValueError:
        is_id = False
    if not is_id:
        raise UsageError(
            f"{text!r} is no id of a request", hint="it is 32 lower-case hexadecimal digits"
        )


def check_charges(end: RequestEnd) -> bool:
    """Refuse charges that are no amounts; tell whether one is above its quote."""
    is_dearer = False
    for attempt in end.attempts:
        charged, quoted = attempt.charged_msat, attempt.quoted_msat
        if quoted is not None:
            check_amount(quoted)
        if charged is not None:
            check_amount(charged)
            is_dearer = is_dearer or (quoted is not None and charged > quoted)
    return is_dearer


def check_amount(msat: int) -> None:
    """Refuse what is no amount."""
    if not 0 <= msat <= MOST_MSAT:
        raise UsageError(
            f"{msat} msat is no amount to book", hint=f"it must be between 0 and {MOST_MSAT}"
        )
