"""When a failed step is tried again, and after how long a rest. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.errors import (
    BudgetExceeded,
    CallerError,
    ModelOutputError,
    NoProvider,
    ProviderRefused,
    ProviderUnavailable,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a failing step is tried in all, and how long it rests in between (seconds).

    The rest before try n + 1 is `wait * factor ** (n - 1)`, at most `max_wait`, spread by a
    random share of up to a fifth so that many runs do not come back at the same instant.
    """

    attempts: int = 1
    wait: float = 1.0
    factor: float = 2.0
    max_wait: float = 60.0


ONE_TRY = Retry()

_HOPELESS = (CallerError, ProviderRefused, NoProvider, ModelOutputError, SystemExit)
"""What another try would not mend."""


def rest_after(retry: Retry, attempt: int, error: BaseException, spread: float) -> float | None:
    """Return the seconds to rest after try `attempt` failed with `error`; None to give up.

    `spread` is a random number from 0 to 1. A caller's mistake is never tried again. A provider
    that asked to be left alone for a while is.
    """
    if attempt >= retry.attempts or _is_hopeless(error):
        return None
    rest = min(retry.max_wait, retry.wait * retry.factor ** (attempt - 1))
    if isinstance(error, ProviderUnavailable) and error.retry_after is not None:
        rest = max(rest, error.retry_after)
    return rest * (1 + spread / 5)


def _is_hopeless(error: BaseException) -> bool:
    if isinstance(error, BudgetExceeded):
        return not error.others_hold
    return isinstance(error, _HOPELESS)
