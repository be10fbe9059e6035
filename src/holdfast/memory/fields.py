"""An entry as people see and edit it, in its file and in JSON output. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields as fields_of_class
from enum import StrEnum
from typing import Any, TypeVar, cast

from holdfast.errors import UsageError
from holdfast.memory.drafts import Draft, check_draft
from holdfast.memory.entry import Entry, Kind, Provenance, Standing, provenance_members
from holdfast.memory.namespaces import parse_namespace
from holdfast.memory.times import format_time, parse_time

BODY = "text"
"""The field that stands below the others in a file."""

FIXED = ("id", "namespace", "recorded_at", "updated_at", "supersedes", "contradicts")
"""The fields that nobody may edit."""

EDITABLE = (
    "key",
    "kind",
    "title",
    "status",
    "reason",
    "alternatives",
    "valid_from",
    "valid_until",
    "expires_at",
    "provenance",
    BODY,
)

ORDER = (
    "id",
    "namespace",
    *EDITABLE[:-2],
    "recorded_at",
    "updated_at",
    "supersedes",
    "contradicts",
    "provenance",
)
"""The order of the fields in a file."""

E = TypeVar("E", bound=StrEnum)


def visible_fields(entry: Entry) -> dict[str, object]:
    """Return what people see of an entry; what is empty is left out."""
    shown: dict[str, object] = {
        "id": entry.id,
        "namespace": str(entry.namespace),
        "key": entry.key,
        "kind": str(entry.kind),
        "title": entry.title,
        "status": str(entry.standing or ""),
        "reason": entry.reason,
        "alternatives": list(entry.alternatives),
        "provenance": provenance_members(entry.provenance),
        "supersedes": list(entry.supersedes),
        "contradicts": list(entry.contradicts),
    }
    for name in ("valid_from", "valid_until", "expires_at", "recorded_at", "updated_at"):
        moment: int | None = getattr(entry, name)
        shown[name] = None if moment is None else format_time(moment)
    kept: dict[str, object] = {name: each for name, each in shown.items() if each}
    return {**kept, BODY: entry.value}


def read_draft(shown: Mapping[str, object]) -> Draft:
    """Return what the fields of a file say.

    Raises:
        UsageError: a field is unknown, of the wrong type, or says what cannot be.
    """
    for name in shown:
        if name not in EDITABLE and name not in FIXED:
            raise UsageError(f"the field {name!r} is unknown; known are {', '.join(EDITABLE)}")
    status = _text(shown, "status")
    draft = Draft(
        namespace=parse_namespace(_text(shown, "namespace") or "project"),
        key=_text(shown, "key"),
        kind=_choice(Kind, "kind", _text(shown, "kind") or str(Kind.FACT)),
        title=_text(shown, "title"),
        standing=_choice(Standing, "status", status) if status else None,
        reason=_text(shown, "reason"),
        alternatives=_texts(shown, "alternatives"),
        provenance=read_provenance(shown.get("provenance", {})),
        valid_from=_time(shown, "valid_from"),
        valid_until=_time(shown, "valid_until"),
        expires_at=_time(shown, "expires_at"),
        value=shown.get(BODY),
    )
    return check_draft(draft)


def read_provenance(value: object) -> Provenance:
    """Return the provenance that JSON members stand for.

    Raises:
        UsageError: a member is unknown or of the wrong type.
    """
    if not isinstance(value, Mapping):
        raise UsageError("the field 'provenance' must be an object in braces")
    members = cast("Mapping[str, Any]", value)
    known = [each.name for each in fields_of_class(Provenance)]
    for name, each in members.items():
        if name not in known:
            raise UsageError(f"the provenance has no {name!r}; known are {', '.join(known)}")
        is_number = isinstance(each, int | float) and not isinstance(each, bool)
        if not (is_number if name == "confidence" else isinstance(each, str)):
            wanted = "a number from 0 to 1" if name == "confidence" else "a text"
            raise UsageError(f"{name!r} in the provenance must be {wanted}")
    return Provenance(**members)


def _choice(kind: type[E], name: str, text: str) -> E:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(kind)
        raise UsageError(f"the field {name!r} must be one of {known}, not {text!r}") from None


def _text(shown: Mapping[str, object], name: str) -> str:
    return _checked(shown, name, lambda value: isinstance(value, str), "a text", "")


def _texts(shown: Mapping[str, object], name: str) -> tuple[str, ...]:
    def are_texts(value: object) -> bool:
        return isinstance(value, list) and all(
            isinstance(each, str) for each in cast("list[object]", value)
        )

    return tuple(_checked(shown, name, are_texts, "a list of texts", []))


def _time(shown: Mapping[str, object], name: str) -> int | None:
    text = _text(shown, name)
    return parse_time(text) if text else None


def _checked(
    shown: Mapping[str, object],
    name: str,
    is_right: Callable[[object], bool],
    wanted: str,
    default: Any,
) -> Any:
    value = shown.get(name, default)
    if not is_right(value):
        raise UsageError(f"the field {name!r} must be {wanted}, not {value!r}")
    return value
