"""Say things of other trackers so that Holdfast takes them: names, tags, times."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = 500
_TAG = 100
_TAGS = 100
_NAMELESS = "(no name)"


def as_name(text: str) -> str:
    """Return text as the name of a task: one line that is not too long."""
    line = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(line.split()) if line != text or not line.strip() else line
    if len(line) > _NAME:
        line = line[: _NAME - 1].rstrip() + "…"
    return line or _NAMELESS


def as_tag(text: str) -> str:
    """Return text as a tag, empty if nothing of it can be one."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return "-".join(line.split())[:_TAG]


def as_tags(texts: list[str]) -> tuple[str, ...]:
    """Return texts as tags, each once."""
    tags = dict.fromkeys(tag for tag in map(as_tag, texts) if tag)
    return tuple(tags)[:_TAGS]


def tag_value(tags: tuple[str, ...], name: str) -> str:
    """Return the value of the first tag `name:value`, empty without one."""
    prefix = f"{name}:"
    return next((tag[len(prefix) :] for tag in tags if tag.startswith(prefix)), "")


def without_value(tags: tuple[str, ...], name: str, value: str) -> list[str]:
    """Return the tags without `name:value`."""
    return [tag for tag in tags if not value or tag != f"{name}:{value}"]


def milliseconds(at: datetime) -> int:
    """Return an instant as milliseconds of the epoch; without an offset it is UTC."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(milliseconds=1)


def instant(ms: int) -> datetime:
    """Return milliseconds of the epoch as an instant in UTC."""
    return _EPOCH + timedelta(milliseconds=ms)


_FRACTION = re.compile(r"\.(\d{6})\d+")


def read_iso(text: object) -> int | None:
    """Return RFC 3339 as milliseconds of the epoch, None if it is not; more digits are cut."""
    if not isinstance(text, str):
        return None
    try:
        return milliseconds(datetime.fromisoformat(_FRACTION.sub(r".\1", text)))
    except (ValueError, OverflowError):
        return None


def write_iso(ms: int) -> str:
    """Return milliseconds of the epoch as RFC 3339 in UTC, without a fraction that is zero."""
    text = instant(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return text.replace(".000Z", "Z")
