"""Turn what the driver and the server report into errors that say what to do."""

from __future__ import annotations

from holdfast.errors import (
    HoldfastError,
    StorageCorrupt,
    StorageError,
    StorageFull,
    StorageTooNew,
    StorageUnavailable,
    UsageError,
)
from holdfast.storage.redis.address import Address
from holdfast.storage.redis.driver import exceptions as driver

_CLUSTER_WORDS = ("MOVED", "ASK", "CROSSSLOT", "CLUSTERDOWN", "TRYAGAIN")


def cannot_reach(error: Exception, address: Address) -> HoldfastError:
    """Return the error for a connection that did not come about; nothing was sent."""
    match error:
        case driver.AuthenticationError() | driver.AuthorizationError():
            return StorageUnavailable(
                f"the Redis server {address.server!r} refused the user and the password",
                hint="check both in the storage address; special characters are written as %XX",
            )
        case driver.BusyLoadingError():
            return _loading(address)
        case driver.InvalidResponse():
            return StorageUnavailable(
                f"what answers at {address.server!r} does not speak as a Redis server does",
                hint="check the host, the port, and 'rediss' (TLS) against 'redis'",
            )
        case driver.ResponseError():
            return refused(error, address)
        case _:
            return StorageUnavailable(
                f"cannot reach the Redis server {address.server!r}: {str(error) or 'no answer'}",
                hint="check that it runs, the host and the port, and 'rediss' (TLS) against 'redis'",
            )


def broken(error: Exception, address: Address, *, writing: bool) -> HoldfastError:
    """Return the error for a connection that broke behind a request and before its answer."""
    if isinstance(error, driver.BusyLoadingError):
        return _loading(address)
    if not writing:
        return cannot_reach(error, address)
    return StorageUnavailable(
        f"the connection to the Redis server {address.server!r} broke during a write "
        f"({str(error) or 'no answer'}): it is unknown whether the write happened",
        hint="read what is there before you write again",
    )


def refused(error: driver.ResponseError, address: Address) -> HoldfastError:
    """Return the error for a request that the server answered with an error; it did nothing."""
    reason = _reason(error)
    match reason.partition(" ")[0]:
        case "OOM":
            return _full(address, "its memory has reached 'maxmemory'")
        case "MISCONF" if "space" in reason:
            return _full(address, reason)
        case "READONLY":
            return StorageUnavailable(
                f"the Redis server {address.server!r} is a replica that only reads",
                hint="use the address of the primary server",
            )
        case "WRONGTYPE":
            return foreign(address)
        case word if word in _CLUSTER_WORDS:
            return is_cluster(address)
        case "MISCONF" | "BUSY" | "NOPERM" | "NOREPLICAS" | "MASTERDOWN" | "LOADING" | "NOAUTH":
            return StorageUnavailable(
                f"the Redis server {address.server!r} refuses to work: {reason}",
                hint="follow what the server says; the refused request changed nothing",
            )
        # Redis says the one, Valkey the other.
        case _ if "user executing the script can't" in reason or "ACL failure" in reason:
            return StorageUnavailable(
                f"the user of the Redis server {address.server!r} may not do what a store does: "
                f"{reason}",
                hint="allow the keys and the channels of the store: "
                f"ACL SETUSER NAME ~{address.prefix}:* &{address.prefix}:* +@all",
            )
        case _:
            return StorageError(
                f"the Redis server {address.server!r} failed: {reason}",
                hint="look at the log of the server",
            )


def foreign(address: Address) -> StorageCorrupt:
    """Return the error for keys that are not as we write them."""
    return StorageCorrupt(
        f"what another program wrote, or damage, is among the keys of the store '{address}'",
        hint="give the store a prefix of its own, or restore the server from a backup",
    )


def without_format(address: Address) -> StorageCorrupt:
    """Return the error for a store that lost the key which names its format."""
    return StorageCorrupt(
        f"the store '{address}' has data but no key '{address.prefix}:format'",
        hint="a key was deleted or evicted; restore the server from a backup",
    )


def too_new(address: Address, found: int, known: int) -> StorageTooNew:
    """Return the error for a store in a format of the future."""
    return StorageTooNew(
        f"the store '{address}' has format {found}; this Holdfast knows {known}",
        hint="upgrade Holdfast, or open another store",
    )


def is_cluster(address: Address) -> UsageError:
    """Return the error for a server that keeps only a part of all keys."""
    return UsageError(
        f"the Redis server {address.server!r} is in cluster mode, which a store cannot use: "
        "one write touches many keys, and a cluster spreads them",
        hint="use a server with 'cluster-enabled no', with replicas if you need them",
    )


def is_too_old(address: Address, version: str) -> UsageError:
    """Return the error for a server before Redis 7."""
    return UsageError(
        f"the Redis server {address.server!r} has version {version}; 7.0 or later is needed",
        hint="use Redis 7, Valkey 7.2, or later",
    )


def not_open(address: Address) -> StorageUnavailable:
    """Return the error for a store that is used before or after its block."""
    return StorageUnavailable(
        f"the store '{address}' is not open", hint="use it inside `async with`"
    )


def _loading(address: Address) -> StorageUnavailable:
    return StorageUnavailable(
        f"the Redis server {address.server!r} is still loading its data",
        hint="wait until it has started, then retry; nothing was written",
    )


def _full(address: Address, reason: str) -> StorageFull:
    return StorageFull(
        f"no space is left on the Redis server {address.server!r}: {reason}",
        hint="delete what is not needed, or give it more memory or disk; "
        "what was acknowledged is safe",
    )


def _reason(error: driver.ResponseError) -> str:
    """Return the server's own sentence; the driver keeps its first word apart."""
    text, word = str(error), getattr(error, "status_code", None) or _word(error)
    return text if not word or text.startswith(word) else f"{word} {text}"


def _word(error: driver.ResponseError) -> str:
    # Drivers before version 7 drop the word and tell it by the class alone.
    classes = {
        driver.OutOfMemoryError: "OOM",
        driver.ReadOnlyError: "READONLY",
        driver.NoPermissionError: "NOPERM",
        driver.NoScriptError: "NOSCRIPT",
        driver.MovedError: "MOVED",
        driver.AskError: "ASK",
        driver.ClusterDownError: "CLUSTERDOWN",
        driver.ClusterCrossSlotError: "CROSSSLOT",
        driver.TryAgainError: "TRYAGAIN",
        driver.MasterDownError: "MASTERDOWN",
    }
    return next((word for kind, word in classes.items() if isinstance(error, kind)), "")
