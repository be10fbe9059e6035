"""The one place that imports the driver `redis`, and says what to install when it is missing."""

from __future__ import annotations

from typing import Any

from holdfast.errors import UsageError

try:
    from redis import __version__, exceptions
    from redis.asyncio import Connection, SSLConnection
except ImportError as missing:
    raise UsageError(
        "a Redis store needs the package 'redis', which is not installed",
        hint="pip install 'holdfast[redis]'",
    ) from missing

try:
    from redis.driver_info import DriverInfo
except ImportError:  # of an older driver, which looks up its version once
    _introduction: dict[str, Any] = {}
else:
    _introduction = {"driver_info": DriverInfo(lib_version=__version__)}

__all__ = ["INTRODUCTION", "LINK_ERRORS", "Connection", "SSLConnection", "exceptions"]

LINK_ERRORS = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.InvalidResponse,
    OSError,
)
"""What ends a connection. The built-in `TimeoutError` is an `OSError`."""

INTRODUCTION = _introduction
"""How a connection names the driver to the server. Left to itself, the driver searches the
installed packages for its own version whenever a connection is made."""
