"""The one place that imports the driver `redis`, and says what to install when it is missing."""

from __future__ import annotations

from holdfast.errors import UsageError

try:
    from redis import exceptions
    from redis.asyncio import Connection, SSLConnection
except ImportError as missing:
    raise UsageError(
        "a Redis store needs the package 'redis', which is not installed",
        hint="pip install 'holdfast[redis]'",
    ) from missing

__all__ = ["LINK_ERRORS", "Connection", "SSLConnection", "exceptions"]

LINK_ERRORS = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.InvalidResponse,
    OSError,
)
"""What ends a connection. The built-in `TimeoutError` is an `OSError`."""
