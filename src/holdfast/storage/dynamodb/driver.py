"""The one place that imports the driver `aiobotocore`, and what the backend uses of it, with types."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Any, cast

from holdfast.errors import UsageError

try:
    import aiobotocore.config  # pyright: ignore[reportMissingTypeStubs]
    import aiobotocore.session  # pyright: ignore[reportMissingTypeStubs]
    import botocore.exceptions  # pyright: ignore[reportMissingTypeStubs]
except ImportError as missing:
    raise UsageError(
        "a DynamoDB store needs the package 'aiobotocore', which is not installed",
        hint="pip install 'holdfast[dynamodb]'",
    ) from missing

_session = cast("Any", aiobotocore.session)
_config = cast("Any", aiobotocore.config)
_exceptions = cast("Any", botocore.exceptions)

DriverError: type[Exception] = _exceptions.BotoCoreError
"""Everything of the driver's own: settings, credentials, the way to the server."""

ServerError: type[Exception] = _exceptions.ClientError
"""An answer of the server that is an error, see `answer_of`."""

NetworkError: tuple[type[Exception], ...] = (
    _exceptions.HTTPClientError,
    _exceptions.ConnectionError,
)
WaitError: type[Exception] = _exceptions.WaiterError
NoCredentials: tuple[type[Exception], ...] = (
    _exceptions.NoCredentialsError,
    _exceptions.PartialCredentialsError,
)
NoRegion: type[Exception] = _exceptions.NoRegionError
WrongSettings: tuple[type[Exception], ...] = (
    _exceptions.ProfileNotFound,
    _exceptions.ConfigParseError,
    _exceptions.InvalidRegionError,
)

_CONNECTIONS = 32


def make_client(
    region: str | None, endpoint: str | None, *, attempts: int, timeout: float
) -> AbstractAsyncContextManager[Any]:
    """Return a client of DynamoDB, to be entered; nothing is sent by that."""
    session = _session.get_session()
    session.register_component("data_loader", _loader())
    config = _config.AioConfig(
        connect_timeout=timeout,
        read_timeout=timeout,
        max_pool_connections=_CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    client: AbstractAsyncContextManager[Any] = session.create_client(
        "dynamodb", region_name=region, endpoint_url=endpoint, config=config
    )
    return client


def answer_of(error: BaseException | None) -> Mapping[str, Any]:
    """Return the answer that a `ServerError` was made of; nothing for another error."""
    return cast("Any", error).response if isinstance(error, ServerError) else {}


def code_of(error: BaseException | None) -> str:
    """Return the code that the server gave to an error; nothing for another error."""
    return str(answer_of(error).get("Error", {}).get("Code", ""))


def was_never_sent(error: Exception) -> bool:
    """Return whether a request failed before the server can have seen any of it.

    The driver reports a connection that broke while it was used as one that could not be made
    (`EndpointConnectionError`); only the error of the HTTP client below it can tell.
    """
    if isinstance(error, _exceptions.ConnectTimeoutError):
        return True
    cause = cast("Any", error).kwargs.get("error") if isinstance(error, NetworkError) else None
    return any(kind.__name__ == "ClientConnectorError" for kind in type(cause).__mro__)


@lru_cache(maxsize=1)
def _loader() -> Any:
    """Return what reads the driver's description of AWS, which takes 0.1 s the first time."""
    return _session.get_session().get_component("data_loader")
