"""Entries of a log that form a chain: each is one JSON object that names the one before it.

The first entry names the digest of the log's own id. So a log that was altered cannot pass for the one
that was written, and the entries of two clones can be told apart and put in order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar, cast

from holdfast.errors import StorageCorrupt, StorageTooNew, UsageError
from holdfast.storage.seam import Listing, Store
from holdfast.tasks.codec import from_bytes

E = TypeVar("E")

_DIGEST_DIGITS = 32


def digest(data: bytes) -> str:
    """Return what the next entry names this one by: 128 bits of its SHA-256."""
    return hashlib.sha256(data).hexdigest()[:_DIGEST_DIGITS]


def genesis(log_id: str) -> str:
    """Return what the first entry of a log names as the one before it."""
    return digest(log_id.encode())


def decode_entry(
    data: bytes, kind_of: Callable[[str], Callable[..., E] | None], *, whose: str
) -> tuple[E, str]:
    """Return the event of an entry, and what it names as the one before it.

    `kind_of` makes an event of its members by the name of its kind, `whose` is what the log belongs
    to, for the messages.

    Raises:
        StorageTooNew: a kind or member that this version does not know.
        StorageCorrupt: not an event at all.
    """
    members = from_bytes(data, what=f"an entry of a {whose}'s log")
    try:
        kind, prev = str(members.pop("event")), str(members.pop("prev"))
    except (KeyError, AttributeError, TypeError) as error:
        raise StorageCorrupt(
            f"an entry of a {whose}'s log is not an event", hint="restore the store from a backup"
        ) from error
    try:
        return cast("Callable[..., E]", kind_of(kind))(**members), prev
    except TypeError as error:
        raise StorageTooNew(
            f"the log of a {whose} holds an event {kind!r} that this version does not know",
            hint="upgrade Holdfast",
        ) from error


def require_listing(store: Store) -> Listing:
    """Return the store as one that can name its logs.

    Raises:
        UsageError: it cannot.
    """
    if not isinstance(store, Listing):
        raise UsageError(
            "this store cannot name its logs, so there is nothing to repair from",
            hint="copy it to one that can: `holdfast store export` and `import`",
        )
    return store
