"""Instants as people write them: ISO 8601, UTC. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from holdfast.errors import UsageError

_LENGTH = re.compile(r"(\d+)\s*(s|m|h|d|w)")
_UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_MOST_MS = 253_402_300_799_999  # the last millisecond of the year 9999


def format_time(milliseconds: int) -> str:
    """Return an instant in ISO 8601, UTC, with milliseconds."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def parse_time(text: str) -> int:
    """Return milliseconds of the epoch; a time without a zone is UTC, a date is its beginning.

    Raises:
        UsageError: the text is no instant, or none between 1970 and 9999.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        moment = None
    if moment is not None:
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        difference = aware - datetime(1970, 1, 1, tzinfo=UTC)
        milliseconds = difference.days * 86_400_000 + difference.seconds * 1000
        milliseconds += difference.microseconds // 1000
        if 0 <= milliseconds <= _MOST_MS:
            return milliseconds
    raise UsageError(
        f"{text!r} is no time", hint="write 2026-05-31 or 2026-05-31T18:30:00Z (UTC without a zone)"
    )


def parse_length(text: str) -> int:
    """Return the milliseconds of a length of time such as `90s`, `15m`, `12h`, `30d` or `2w`.

    Raises:
        UsageError: the text is no length of time above zero.
    """
    match = _LENGTH.fullmatch(text.strip())
    if match is None or not int(match[1]) or int(match[1]) * _UNITS[match[2]] > _MOST_MS:
        raise UsageError(f"{text!r} is no length of time", hint="write 90s, 15m, 12h, 30d or 2w")
    return int(match[1]) * _UNITS[match[2]]
