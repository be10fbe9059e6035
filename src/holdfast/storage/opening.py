"""Pick a backend by the address of the store.

For example::

    async with open_store("sqlite:.holdfast/store.db", clock=SystemClock()) as store:
        version = await store.put(("greeting",), b"hello", expected=ABSENT)

The backend is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from holdfast.errors import UsageError
from holdfast.storage.seam import Ack, Store

if TYPE_CHECKING:
    from holdfast.clock import Clock

_FORMS = {
    "memory": "memory://",
    "files": "files:PATH",
    "sqlite": "sqlite:PATH",
    "postgres": "postgres://HOST/DATABASE",
    "redis": "redis://HOST",
    "dynamodb": "dynamodb://TABLE",
}


def open_store(url: str, *, clock: Clock, ack: Ack = "disk", at_once: bool = False) -> Store:
    """Return the store at `url`, to be entered with `async with`.

    `url` is `memory://` (gone with the object) or `sqlite:PATH` (one file, made when missing).
    `ack` says what an acknowledged write survives; a store in memory ignores it. With `at_once` a
    store that can do without an event loop does (`holdfast.storage.at_once`).

    Raises:
        UsageError: the address has an unknown scheme or lacks its path.
    """
    scheme, colon, rest = url.partition(":")
    backend = _BACKENDS.get(scheme) if colon else None
    if backend is None:
        raise _unknown(url, scheme)
    if at_once and scheme == "files":
        return _files(rest, clock, ack, at_once=True)
    return backend(rest, clock, ack)


def _memory(rest: str, clock: Clock, ack: Ack) -> Store:  # noqa: ARG001 - nothing to survive
    from holdfast.storage.memory import MemoryStore  # noqa: PLC0415 - late: only the chosen one

    if rest != "//":
        raise UsageError(
            f"the storage address 'memory:{rest}' names something",
            hint="a store in memory has no name: write 'memory://'",
        )
    return MemoryStore(clock=clock)


def _sqlite(rest: str, clock: Clock, ack: Ack) -> Store:
    from holdfast.storage.sqlite import SqliteStore  # noqa: PLC0415 - late: loads a driver

    if not rest.strip("/"):
        raise UsageError(
            f"the storage address 'sqlite:{rest}' has no path",
            hint="write 'sqlite:PATH', for example 'sqlite:.holdfast/store.db'",
        )
    return SqliteStore(rest, clock=clock, ack=ack)


def _files(rest: str, clock: Clock, ack: Ack, *, at_once: bool = False) -> Store:
    from holdfast.storage.files import FilesStore  # noqa: PLC0415 - late: only the chosen one

    path, _, options = rest.partition("?")
    if not path.strip("/"):
        raise UsageError(
            f"the storage address 'files:{rest}' has no path",
            hint="write 'files:PATH', for example 'files:.holdfast'",
        )
    if options not in ("", "allow_network=yes"):
        raise UsageError(
            f"the storage address 'files:{rest}' has an unknown option {options!r}",
            hint="the only one is 'allow_network=yes'",
        )
    return FilesStore(path, clock=clock, ack=ack, allow_network=bool(options), at_once=at_once)


def _dynamodb(rest: str, clock: Clock, ack: Ack) -> Store:  # noqa: ARG001 - always on disks
    from holdfast.storage.dynamodb import DynamoStore, parse_address  # noqa: PLC0415 - a driver

    return DynamoStore(parse_address(f"dynamodb:{rest}"), clock=clock)


def _redis(scheme: str) -> Callable[[str, Clock, Ack], Store]:
    def open_redis(rest: str, clock: Clock, ack: Ack) -> Store:
        from holdfast.storage.redis import RedisStore  # noqa: PLC0415 - late: loads a driver

        return RedisStore(f"{scheme}:{rest}", clock=clock, ack=ack)

    return open_redis


def _postgres(scheme: str) -> Callable[[str, Clock, Ack], Store]:
    def open_postgres(rest: str, clock: Clock, ack: Ack) -> Store:
        from holdfast.storage.postgres import PostgresStore  # noqa: PLC0415 - late: loads a driver

        return PostgresStore(f"{scheme}:{rest}", clock=clock, ack=ack)

    return open_postgres


_BACKENDS: dict[str, Callable[[str, Clock, Ack], Store]] = {
    "files": _files,
    "memory": _memory,
    "sqlite": _sqlite,
    "dynamodb": _dynamodb,
    "postgres": _postgres("postgres"),
    "postgresql": _postgres("postgresql"),
    "redis": _redis("redis"),
    "rediss": _redis("rediss"),
}


def _unknown(url: str, scheme: str) -> UsageError:
    from difflib import get_close_matches  # noqa: PLC0415 - only for this message

    close = get_close_matches(scheme.lower(), _FORMS, n=1)
    guess = f"did you mean {_FORMS[close[0]]!r}? " if close else ""
    known = ", ".join(_FORMS.values())
    shown = "the storage address" if "@" in url else f"the storage address {url!r}"  # a password
    return UsageError(f"{shown} has no known scheme", hint=f"{guess}known are: {known}")
