"""Times and lengths of time as people type them."""

from __future__ import annotations

from holdfast.errors import UsageError

_UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def read_span(text: str) -> int:
    """Return a length of time, such as `90s` or `1.5h`, in milliseconds."""
    try:
        found = int(float(text[:-1]) * _UNITS[text[-1:]])
    except (ValueError, KeyError, OverflowError):
        found = 0
    if found <= 0:
        raise UsageError(
            f"{text!r} is no length of time",
            hint="give a number and a unit (s, m, h, d or w), for instance 90s or 2d",
        )
    return found


def read_time(text: str | None, now_ms: int) -> int | None:
    """Return an instant: in ISO 8601, or a length of time before now."""
    if text is None:
        return None
    from holdfast.tasks.view import parse_iso  # noqa: PLC0415 - only with such an option

    at = parse_iso(text)
    if at is not None:
        return at
    try:
        return now_ms - read_span(text)
    except UsageError:
        raise UsageError(
            f"{text!r} is no time",
            hint="give ISO 8601 (2026-11-26 or 2026-11-26T08:30), or how long ago, such as 3d",
        ) from None
