"""What callers may write into a session, checked before anything is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from holdfast.errors import InputError
from holdfast.tasks.checks import check_text
from holdfast.tasks.codec import to_json
from holdfast.tasks.sessions.record import Session, Snapshot
from holdfast.tasks.sessions.requests import NewSession, ScopeChange
from holdfast.tasks.sessions.snapshots import encode_snapshot

NAME_CHARACTERS = 100
_LINE_CHARACTERS = 2_000
_LONG_CHARACTERS = 16_000
_RECORD_BYTES = 256 * 1024


def check_new(new: NewSession) -> None:
    """Refuse a session that cannot be started as it is.

    Raises:
        InputError: the message says which field, and what is allowed.
    """
    if not new.name.strip() or len(new.name) > NAME_CHARACTERS or not new.name.isprintable():
        raise InputError(
            f"{new.name[:40]!r} cannot be the name of a session",
            hint=f"a name is one line of 1 to {NAME_CHARACTERS} characters; say more in the goal",
        )
    check_scope(ScopeChange(includes=new.includes, excludes=new.excludes, goal=new.goal))
    check_context(new.context)


def check_scope(change: ScopeChange) -> None:
    """Refuse a change of the scope that says nothing clear."""
    _check_lines((*change.includes, *change.excludes, *change.drop), "a part of the scope")
    both = set(change.includes) & set(change.excludes)
    if both:
        raise InputError(
            f"{min(both)[:40]!r} would be both inside and outside of the scope",
            hint="say one of the two",
        )
    check_long(change.goal or "", "the goal")
    check_long(change.reason, "the reason")


def check_said(text: str, what: str) -> None:
    """Refuse a text that is empty or too long for an entry of the log."""
    if not text.strip():
        raise InputError(f"{what} is empty", hint="say something")
    check_text(text, what)


def check_long(text: str, what: str) -> None:
    """Refuse a text that is too long to stand in the record."""
    if len(text) > _LONG_CHARACTERS:
        raise InputError(
            f"{what} has {len(text)} characters; {_LONG_CHARACTERS} are allowed",
            hint="keep it in a file and name the file",
        )


def check_context(values: Mapping[str, object], files: Iterable[str] = ()) -> None:
    """Refuse names of values and of files that are empty or more than one line."""
    _check_lines(values, "the name of a value")
    _check_lines(files, "the name of a file")
    to_json(dict(values), what="the context")


def check_size(before: Session | None, after: Snapshot) -> None:
    """Refuse a change after which the record is too large, unless it has become smaller."""
    size = len(encode_snapshot(after))
    if size <= _RECORD_BYTES:
        return
    old = (
        Snapshot(session=before, tail=after.tail, last=after.last, heads=after.heads)
        if before
        else None
    )
    if old and size <= len(encode_snapshot(old)):
        return
    raise InputError(
        f"goal, scope, context and files of the session would take {size} bytes;"
        f" {_RECORD_BYTES} are allowed",
        hint="take out what is not needed any more, or keep it in a file and name the file",
    )


def _check_lines(lines: Iterable[str], what: str) -> None:
    for line in lines:
        if not line.strip() or len(line) > _LINE_CHARACTERS or not line.isprintable():
            raise InputError(
                f"{line[:40]!r} cannot be {what}",
                hint=f"it is one line of 1 to {_LINE_CHARACTERS} characters",
            )
