"""The one place that imports the driver `asyncpg`, and what the backend uses of it, with types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

from holdfast.errors import UsageError

try:
    import asyncpg  # pyright: ignore[reportMissingTypeStubs]
except ImportError as missing:
    raise UsageError(
        "a Postgres store needs the package 'asyncpg', which is not installed",
        hint="pip install 'holdfast[postgres]'",
    ) from missing

_driver = cast("Any", asyncpg)

ServerError: type[Exception] = _driver.PostgresError
ConnectionUnusable: type[Exception] = _driver.InterfaceError
AddressRefused: type[Exception] = _driver.exceptions.ClientConfigurationError

FAILURES: tuple[type[Exception], ...] = (
    ServerError,
    ConnectionUnusable,
    _driver.InternalClientError,
    OSError,
    TimeoutError,
    EOFError,
)
"""Everything that the driver raises when the server or the way to it fails."""

CONNECT_SECONDS = 10
"""How long a connection may take to come up."""

COMMAND_SECONDS = 60
"""How long a statement may take, with the transfer of its values."""

# What is given to the callback of a listener: the connection, the sender, the channel, the text.
OnNotice = Callable[[object, int, str, str], None]


class Row(Protocol):
    """One row of an answer."""

    def __getitem__(self, column: int | str) -> Any: ...


class Attribute(Protocol):
    """A column of an answer."""

    @property
    def name(self) -> str: ...


class Statement(Protocol):
    """A statement that the server has read."""

    def get_attributes(self) -> Sequence[Attribute]: ...
    def get_parameters(self) -> Sequence[object]: ...
    async def fetch(self, *arguments: object) -> list[Row]: ...


class Connection(Protocol):
    """One connection, in autocommit mode."""

    async def fetch(self, query: str, *arguments: object) -> list[Row]: ...
    async def fetchval(self, query: str, *arguments: object) -> Any: ...
    async def execute(self, query: str, *arguments: object) -> str: ...
    async def executemany(self, query: str, arguments: Iterable[Sequence[object]]) -> None: ...
    async def prepare(self, query: str) -> Statement: ...
    async def add_listener(self, channel: str, callback: OnNotice) -> None: ...
    def add_termination_listener(self, callback: Callable[[object], None]) -> None: ...
    def get_server_pid(self) -> int: ...
    async def close(self, *, timeout: float) -> None: ...
    def terminate(self) -> None: ...


class Pool(Protocol):
    """Connections that are kept for the next caller."""

    async def acquire(self) -> Connection: ...
    async def release(self, connection: Connection) -> None: ...
    async def expire_connections(self) -> None: ...
    async def close(self) -> None: ...
    def terminate(self) -> None: ...


async def connect(url: str, settings: Mapping[str, str]) -> Connection:
    """Return a connection outside the pool."""
    connection: Connection = await _driver.connect(url, **_options(settings))
    return connection


async def make_pool(
    url: str, settings: Mapping[str, str], size: int, tell: Callable[[Connection], None]
) -> Pool:
    """Return a pool of at most `size` connections, none of which is open yet.

    Each one that it makes is told.
    """

    async def tell_of(connection: Connection) -> None:
        tell(connection)

    pool: Pool = await _driver.create_pool(
        url,
        min_size=0,
        max_size=size,
        # A connection is as good after ten years of statements as it is after one.
        max_queries=10**12,
        # Nothing here changes a session, so the driver's reset would only be a round trip.
        reset=_keep,
        init=tell_of,
        **_options(settings),
    )
    return pool


def _options(settings: Mapping[str, str]) -> dict[str, object]:
    return {
        "timeout": CONNECT_SECONDS,
        "command_timeout": COMMAND_SECONDS,
        # The few statements of this backend stay prepared as long as the connection lives.
        "max_cached_statement_lifetime": 0,
        "server_settings": dict(settings),
    }


async def _keep(_connection: object) -> None:
    """Leave a connection as it is."""
