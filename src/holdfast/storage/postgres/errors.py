"""Turn what the driver and the server report into errors that say what to do."""

from __future__ import annotations

from holdfast.errors import (
    StorageCorrupt,
    StorageError,
    StorageFull,
    StorageTooNew,
    StorageUnavailable,
    UsageError,
)
from holdfast.storage.postgres.driver import AddressRefused, ConnectionUnusable

_UNKNOWN_OUTCOME = (
    "; the write was under way, and whether it happened is unknown",
    "read before you write again; a compare-and-set with the version you had is safe",
)
_CONNECTION_LOST = {"57P01", "57P02", "57P03", "57P05"}
_DISK_FULL = "53100"
_DAMAGED = {"42P01", "42883", "XX001", "XX002"}
_CREDENTIALS_HINT = "check the user, the password and the server's pg_hba.conf"
_STOPPED_HINT = "a limit of the server or an administrator stopped it; retry"
_OPTION_HINT = "mend or leave out the option of the address that it names"
_REFUSALS = {
    "28P01": _CREDENTIALS_HINT,
    "28000": _CREDENTIALS_HINT,
    "3D000": "create the database with `createdb NAME`, or name another one",
    "42501": "GRANT CREATE ON DATABASE to the user, or make the schema for it",
    "25006": "this server is a standby; name the primary",
    "53300": "lower 'pool_size' in the address, or raise the server's max_connections",
    "57014": _STOPPED_HINT,
    "55P03": _STOPPED_HINT,
    "42704": _OPTION_HINT,
    "22023": _OPTION_HINT,
}
_UNREACHABLE_HINT = "check that the server runs and that its host and port are right"


def is_lost(error: BaseException) -> bool:
    """Return whether the connection is gone, so that another one may do better."""
    state = _state(error)
    return (
        (isinstance(error, (OSError, EOFError)) and not isinstance(error, TimeoutError))
        or (isinstance(error, ConnectionUnusable) and not isinstance(error, ValueError))
        or (state.startswith("08") or state in _CONNECTION_LOST)
    )


def translate(error: Exception, place: str, *, writing: bool = False) -> Exception:
    """Return the `StorageError` for an error of the driver, of the server or of the network.

    With `writing` the statement had been sent: if no answer came, its outcome is unknown.
    """
    if isinstance(error, AddressRefused):
        # The driver's sentence may repeat parts of the address, which may be of the password.
        return UsageError(
            f"the driver refuses an option in the address of the store {place!r}",
            hint="its options are those of libpq, for example 'sslmode=verify-full'",
        )
    if writing and (is_lost(error) or isinstance(error, TimeoutError)):
        outcome, hint = _UNKNOWN_OUTCOME
        return StorageUnavailable(f"{_lost(error, place)}{outcome}", hint=hint)
    if isinstance(error, TimeoutError) or is_lost(error):
        return StorageUnavailable(_lost(error, place), hint=_UNREACHABLE_HINT)
    return _from_server(error, place)


def too_new(place: str, found: int, known: int) -> StorageTooNew:
    """Return the error for a schema of the future."""
    return StorageTooNew(
        f"the store {place!r} has schema {found}; this Holdfast knows {known}",
        hint="upgrade Holdfast, or open another store",
    )


def foreign(place: str) -> StorageCorrupt:
    """Return the error for a schema of another program."""
    return StorageCorrupt(
        f"the schema of the store {place!r} holds tables of another program",
        hint="give the store a schema of its own, '?schema=NAME'; this one was left untouched",
    )


def closed(place: str) -> StorageUnavailable:
    """Return the error for a verb of a store that is not open."""
    return StorageUnavailable(f"the store {place!r} is not open", hint="use it inside `async with`")


def _lost(error: Exception, place: str) -> str:
    if isinstance(error, TimeoutError):
        return f"the server of the store {place!r} does not answer"
    return f"no connection to the store {place!r}: {error}"


def _from_server(error: Exception, place: str) -> StorageError:
    state = _state(error)
    if state == _DISK_FULL:
        return StorageFull(
            f"the server of the store {place!r} has no space left: {error}",
            hint="free some space on its disk, then retry; what was acknowledged is safe",
        )
    if state in _DAMAGED:
        return StorageCorrupt(
            f"the store {place!r} is damaged: {error}",
            hint="restore the schema from a backup, or open another one",
        )
    if state in _REFUSALS:
        return StorageUnavailable(
            f"the server of the store {place!r} refuses: {error}", hint=_REFUSALS[state]
        )
    return StorageError(
        f"the store {place!r} failed: {error}",
        hint="look into the log of the server; what was acknowledged is there",
    )


def _state(error: BaseException) -> str:
    """Return the five letters by which Postgres names an error, none for other errors."""
    return str(getattr(error, "sqlstate", None) or "")
