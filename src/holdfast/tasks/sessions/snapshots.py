"""Keep the record of a session as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.errors import StorageCorrupt, StorageTooNew
from holdfast.tasks.codec import from_bytes, plain, plain_all, to_bytes
from holdfast.tasks.sessions.record import Scope, Session, Snapshot, Touch

FORMAT = 1


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Return the record as one JSON object; members that have their default are left out."""
    session = snapshot.session
    members = plain(session)
    if "scope" in members:
        members["scope"] = plain(session.scope)
    if session.files:
        members["files"] = plain_all(session.files)
    data = {
        "format": FORMAT,
        "tail": snapshot.tail,
        "last": snapshot.last,
        "heads": snapshot.heads,
        "session": members,
    }
    return to_bytes(data, what=f"the session {session.name!r}")


def decode_snapshot(data: bytes) -> Snapshot:
    """Return the record that `encode_snapshot` wrote.

    Raises:
        StorageTooNew: a newer version wrote it.
        StorageCorrupt: it is no record of a session.
    """
    members = from_bytes(data, what="the record of a session")
    try:
        _check_format(members["format"])
        return Snapshot(
            session=_session(members["session"]),
            tail=members["tail"],
            last=members["last"],
            heads=tuple(members["heads"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StorageCorrupt(
            f"the record of a session cannot be read: {error!r}",
            hint="`holdfast session repair` makes it again from the log",
        ) from error


def _check_format(version: object) -> None:
    if version != FORMAT:
        raise StorageTooNew(
            f"a session is stored in the format {version!r}; this version knows {FORMAT}",
            hint="upgrade Holdfast",
        )


def _session(members: dict[str, Any]) -> Session:
    scope: Mapping[str, Any] = members.pop("scope", {})
    files: Mapping[str, Mapping[str, Any]] = members.pop("files", {})
    left: list[str] = members.pop("left", [])
    return Session(
        **members,
        scope=Scope(**{name: tuple(each) for name, each in scope.items()}),
        files={path: Touch(**touch) for path, touch in files.items()},
        left=tuple(left),
    )
