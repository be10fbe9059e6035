"""Decide when the driver may send a request once more.

The driver repeats what failed, with growing pauses. Two things are different here:

- An update of a record whose answer was lost must not be repeated blindly: its condition would
  now refuse it because of its own success. Such an update ends in `OutcomeUnknown`, and
  `records` looks at what is stored. All other requests may be repeated: reads, writes of what
  never changes, and transactions, which carry a token for that.
- A write that met a transaction of another client was refused for a moment only.
"""

from __future__ import annotations

from random import Random
from typing import Any

from holdfast.storage.dynamodb.address import Address
from holdfast.storage.dynamodb.driver import was_never_sent
from holdfast.storage.dynamodb.errors import unknown

_FIRST_PAUSE = 0.025
_LONGEST_PAUSE = 1.0
_MEETING = "TransactionConflict"
_PASSING = {_MEETING, "ThrottlingError", "ProvisionedThroughputExceeded", "None"}

_random = Random()  # noqa: S311 - only spreads pauses


class RetryRules:
    """A handler of the driver's event `needs-retry`: the pause in seconds, or None for no say."""

    def __init__(self, address: Address, attempts: int) -> None:
        self._address = address
        self._attempts = attempts

    def __call__(
        self,
        *,
        response: tuple[Any, dict[str, Any]] | None,
        caught_exception: Exception | None,
        attempts: int,
        operation: Any,
        **_: object,
    ) -> float | None:
        """Return a pause, let the driver decide, or raise `OutcomeUnknown`."""
        if operation.name == "UpdateItem" and _is_unclear(response, caught_exception):
            raise unknown(self._address, None) from caught_exception
        if attempts < self._attempts and response and _met_a_transaction(response[1]):
            pause = min(_FIRST_PAUSE * 2**attempts, _LONGEST_PAUSE)
            return pause * (0.5 + _random.random() / 2)
        return None


def _is_unclear(
    response: tuple[Any, dict[str, Any]] | None, caught_exception: Exception | None
) -> bool:
    """Return whether the server may have done what it was asked to."""
    if caught_exception is not None:
        return not was_never_sent(caught_exception)
    return response is not None and response[0].status_code >= 500


def _met_a_transaction(parsed: dict[str, Any]) -> bool:
    code = parsed.get("Error", {}).get("Code")
    if code == "TransactionCanceledException":
        reasons = {reason.get("Code", "None") for reason in parsed.get("CancellationReasons", ())}
        return reasons <= _PASSING and reasons != {"None"}
    return code == "TransactionConflictException"
