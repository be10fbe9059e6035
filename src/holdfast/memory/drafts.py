"""What somebody wants to be remembered, and whether it can be. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Literal, cast

from holdfast.errors import SecretFound, UsageError
from holdfast.memory.entry import Entry, Kind, Provenance, Standing, provenance_members, write_json
from holdfast.memory.keys import name_of
from holdfast.memory.namespaces import PROJECT, Namespace
from holdfast.memory.secrets import find_secrets, redact

MAX_VALUE_BYTES = 256 * 1024
MAX_KEY = 128
MAX_TITLE = 200
MAX_REASON = 16_000
MAX_ALTERNATIVES = 50

Secrets = Literal["refuse", "redact", "allow"]
"""What is done with what looks like a key or a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to be remembered; the fields mean what they mean in an `Entry`."""

    value: object
    namespace: Namespace = PROJECT
    key: str = ""
    kind: Kind = Kind.FACT
    title: str = ""
    reason: str = ""
    alternatives: tuple[str, ...] = ()
    standing: Standing | None = None
    provenance: Provenance = field(default_factory=Provenance)
    valid_from: int | None = None
    valid_until: int | None = None
    expires_at: int | None = None


def draft_of(entry: Entry) -> Draft:
    """Return what an entry says, as a draft of another one."""
    return Draft(**{each.name: getattr(entry, each.name) for each in fields(Draft)})


def new_entry(draft: Draft, *, entry_id: str, now: int) -> Entry:
    """Return the entry that a draft becomes."""
    said = {each.name: getattr(draft, each.name) for each in fields(Draft)}
    entry = Entry(id=entry_id, name="", recorded_at=now, updated_at=now, **said)
    return replace(entry, name=name_of(entry_id, entry.key or entry.headline))


def check_draft(draft: Draft) -> Draft:
    """Return a draft with what goes without saying filled in.

    Raises:
        UsageError: it cannot be remembered so; the message says what is wrong.
    """
    _check_text("key", draft.key, MAX_KEY)
    _check_text("title", draft.title, MAX_TITLE)
    if draft.key != draft.key.strip():
        raise UsageError(f"the key {draft.key!r} has white space around it", hint="leave it out")
    _check_unicode(draft)
    _check_value(draft.value)
    _check_times(draft)
    _check_confidence(draft.provenance.confidence)
    return _check_decision(draft)


def settle_secrets(draft: Draft, secrets: Secrets) -> tuple[Draft, int]:
    """Return the draft as it may be stored, and how many secrets were taken out of it.

    Raises:
        SecretFound: it has one, and that is not allowed.
    """
    if secrets == "allow":
        return draft, 0
    found = 0
    cleaned: dict[str, object] = {}
    for name in ("title", "reason", "alternatives", "value"):
        value = getattr(draft, name)
        texts = list[str]()
        _change_texts(value, lambda text, texts=texts: texts.append(text) or text)
        for text in texts:
            for secret in find_secrets(text):
                found += 1
                if secrets == "refuse":
                    line = text.count("\n", 0, secret.start) + 1
                    raise _refusal(name, line, secret.what)
        cleaned[name] = _change_texts(value, redact)
    if not found:
        return draft, 0
    cleaned["alternatives"] = tuple(cast("list[str]", cleaned["alternatives"]))
    return replace(draft, **cleaned), found  # pyright: ignore[reportArgumentType]


def _refusal(name: str, line: int, what: str) -> SecretFound:
    place = "text" if name == "value" else name
    return SecretFound(
        f"line {line} of the {place} looks like {what}; nothing was stored",
        hint="name where the secret is kept instead of the secret; or store it with "
        "--redact-secrets (without the secret) or --allow-secret (as it is)",
    )


def _change_texts(value: object, change: Callable[[str], str]) -> object:
    """Return a JSON value with all its texts changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list | tuple):
        return [_change_texts(each, change) for each in cast("list[object]", value)]
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value)
        return {change(name): _change_texts(each, change) for name, each in members.items()}
    return value


def _check_text(name: str, text: str, most: int) -> None:
    if len(text) > most:
        raise UsageError(
            f"the {name} has {len(text)} characters; {most} are allowed",
            hint="put the details into the text",
        )
    if not text.isprintable():
        raise UsageError(f"the {name} {text!r} has characters that cannot be printed")


def _check_unicode(draft: Draft) -> None:
    said = [draft.reason, *draft.alternatives, *provenance_members(draft.provenance).values()]
    try:
        write_json(said).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"what is said about it is not valid Unicode: {error}", hint="give it as UTF-8"
        ) from error


def _check_value(value: object) -> None:
    if value is None or value == "":
        raise UsageError("there is nothing to remember", hint="give a text, or another JSON value")
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"the value cannot be remembered: {error}",
            hint="use text, numbers, true, false, lists and objects with text as names",
        ) from error
    if size > MAX_VALUE_BYTES:
        raise UsageError(
            f"the value takes {size} bytes; {MAX_VALUE_BYTES} are allowed in one entry",
            hint="split it into several entries, or remember where the file is; nothing was stored",
        )
    if json.loads(text) != value:
        raise UsageError(
            "the value is not what JSON would give back",
            hint="use text as the names of an object, and lists rather than tuples",
        )


def _check_times(draft: Draft) -> None:
    begin, end = draft.valid_from, draft.valid_until
    if begin is not None and end is not None and begin >= end:
        raise UsageError(
            "it would be valid until a time that is not after the one it is valid from",
            hint="give a later `valid_until`, or leave one of the two out",
        )


def _check_confidence(confidence: float | None) -> None:
    if confidence is None:
        return
    if not (math.isfinite(confidence) and 0 <= confidence <= 1):
        raise UsageError(f"the confidence must be a number from 0 to 1, not {confidence!r}")


def _check_decision(draft: Draft) -> Draft:
    size = len(draft.reason)
    if size > MAX_REASON or len(write_json(list(draft.alternatives))) > MAX_REASON:
        raise UsageError(
            f"the reason or the alternatives take more than {MAX_REASON} characters",
            hint="put the details into the text",
        )
    if len(draft.alternatives) > MAX_ALTERNATIVES:
        raise UsageError(
            f"there are {len(draft.alternatives)} alternatives; {MAX_ALTERNATIVES} are allowed"
        )
    if draft.kind is Kind.DECISION:
        return draft if draft.standing else replace(draft, standing=Standing.ACCEPTED)
    if draft.standing or draft.reason or draft.alternatives:
        raise UsageError(
            f"a {draft.kind} has no reason, alternatives or status",
            hint="they belong to the kind `decision`",
        )
    return draft
