"""What callers may write into a task, checked before anything is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from holdfast.errors import InputError, UsageError
from holdfast.ids import ID_LENGTH, normalise_prefix
from holdfast.tasks.codec import to_json
from holdfast.tasks.record import SOMEDAY, URGENT
from holdfast.tasks.requests import Changes, Limits, NewTask

_NAME_CHARACTERS = 500
_TEXT_BYTES = 256 * 1024
_MESSAGE_CHARACTERS = 2000
_METADATA_BYTES = 64 * 1024
_KEY_BYTES = 256
_SESSION_BYTES = 128
_TAG_CHARACTERS = 100
_TAGS = 100


def check_new(new: NewTask) -> None:
    """Refuse a task that cannot be created as it is.

    Raises:
        InputError, UsageError: the message says which field, and what is allowed.
    """
    check_task_name(new.name)
    check_text(new.description, "the description")
    check_session(new.session)
    check_priority(new.priority)
    check_tags(new.tags)
    check_metadata(new.metadata)
    if len(new.key.encode("utf-8", "surrogatepass")) > _KEY_BYTES:
        raise InputError(
            f"the key of the request has more than {_KEY_BYTES} bytes", hint="use a hash of it"
        )
    if new.id and (len(new.id) != ID_LENGTH or normalise_prefix(new.id) != new.id):
        raise InputError(
            f"{new.id!r} is no id", hint=f"an id has {ID_LENGTH} lower-case hexadecimal digits"
        )


def check_changes(changes: Changes) -> None:
    """Refuse changes that cannot be made on any task.

    Raises:
        InputError, UsageError: the message says which field, and what is allowed.
    """
    if changes.name is not None:
        check_task_name(changes.name)
    check_text(changes.description or "", "the description")
    check_message(changes.status_message or "")
    check_session(changes.session or "")
    if changes.priority is not None:
        check_priority(changes.priority)
    check_tags([*(changes.tags or ()), *changes.add_tags, *changes.remove_tags])
    check_metadata(changes.metadata or {})
    if changes.tags is not None and (changes.add_tags or changes.remove_tags):
        raise UsageError(
            "tags were given both as a whole and as additions or removals",
            hint="use either `tags`, or `add_tags` and `remove_tags`",
        )


def check_owner(owner: str) -> None:
    """Refuse an owner that does not fit into a key."""
    if len(owner.encode("utf-8", "surrogatepass")) > _KEY_BYTES:
        raise InputError(
            f"the owner {owner[:20]!r}… has more than {_KEY_BYTES} bytes",
            hint="use a hash of it",
        )


def check_task_name(name: str) -> None:
    """Refuse a name that is empty, too long, or more than one line."""
    if not name.strip() or len(name) > _NAME_CHARACTERS or not name.isprintable():
        raise InputError(
            f"{name[:40]!r} cannot be the name of a task",
            hint=f"a name is one line of 1 to {_NAME_CHARACTERS} characters;"
            " longer text goes into the description",
        )


def check_text(text: str, what: str) -> None:
    """Refuse a text that is too long to stand in a record."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > _TEXT_BYTES:
        raise InputError(
            f"{what} takes {size} bytes; {_TEXT_BYTES} are allowed",
            hint="keep it in a file and name the file",
        )


def check_message(message: str) -> None:
    """Refuse a status message that is too long to stand beside others."""
    if len(message) > _MESSAGE_CHARACTERS:
        raise InputError(
            f"the status message has {len(message)} characters; {_MESSAGE_CHARACTERS} are allowed",
            hint="write the rest as a note",
        )


def check_session(session: str) -> None:
    """Refuse the id of a session that does not fit into a key."""
    if len(session.encode("utf-8", "surrogatepass")) > _SESSION_BYTES:
        raise InputError(
            f"the session {session[:20]!r}… has more than {_SESSION_BYTES} bytes",
            hint="use its id",
        )


def check_priority(priority: int) -> None:
    """Refuse what is no priority."""
    if priority not in range(URGENT, SOMEDAY + 1):
        raise InputError(
            f"{priority!r} is no priority",
            hint=f"a priority is a number from {URGENT} (first) to {SOMEDAY} (last)",
        )


def check_tags(tags: Iterable[str]) -> None:
    """Refuse tags that are empty, too long, too many, or hold spaces."""
    given = list(tags)
    for tag in given:
        if not tag or len(tag) > _TAG_CHARACTERS or not tag.isprintable() or tag.split() != [tag]:
            raise InputError(
                f"{tag[:40]!r} cannot be a tag",
                hint=f"a tag has 1 to {_TAG_CHARACTERS} characters and no spaces",
            )
    if len(given) > _TAGS:
        raise InputError(
            f"{len(given)} tags are too many; {_TAGS} are allowed", hint="leave some out"
        )


def check_metadata(metadata: Mapping[str, object]) -> None:
    """Refuse metadata that is too large."""
    size = len(to_json(dict(metadata), what="the metadata").encode("utf-8", "surrogatepass"))
    if size > _METADATA_BYTES:
        raise InputError(
            f"the metadata takes {size} bytes; {_METADATA_BYTES} are allowed",
            hint="keep the data in variables or in a file",
        )


def choose_ttl(ttl_ms: int | None, limits: Limits) -> int | None:
    """Return the time-to-live of a new task.

    Raises:
        InputError: it is above the maximum, or not above 0.
    """
    if ttl_ms is None:
        chosen = [each for each in (limits.default_ttl_ms, limits.max_ttl_ms) if each is not None]
        return min(chosen, default=None)
    if ttl_ms <= 0:
        raise InputError(
            f"a time-to-live of {ttl_ms} ms is none", hint="give a number above 0, or nothing"
        )
    if limits.max_ttl_ms is not None and ttl_ms > limits.max_ttl_ms:
        raise InputError(
            f"a time-to-live of {ttl_ms} ms is above the maximum of {limits.max_ttl_ms} ms",
            hint="ask for less",
        )
    return ttl_ms
