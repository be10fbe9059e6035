"""Give long values back whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from holdfast.storage.files.zstandard import decompress
from holdfast.tracing.payload import Chain, FetchPart, Reference
from holdfast.tracing.payloads.writing import STYLES
from holdfast.tracing.span import Value
from holdfast.tracing.values import load_value


def resolve(value: Value, fetch: FetchPart) -> Value:
    """Return a value with all that it refers to; what was removed or never kept is said so."""
    reference = Reference.of(value)
    if reference is not None:
        return _resolved(reference, fetch)
    if isinstance(value, Mapping):
        return {name: resolve(each, fetch) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [resolve(each, fetch) for each in value]
    return value


def _resolved(reference: Reference, fetch: FetchPart) -> Value:
    if not reference.parts and not reference.chain:
        return _missing(reference, "not kept")
    hashes = parts_before(reference.chain, fetch)
    if hashes is None:
        return _missing(reference, "removed")
    parts: list[bytes] = []
    for hash_ in (*hashes, *reference.parts):
        data = fetch(bytes.fromhex(hash_))
        if data is None:
            return _missing(reference, "removed")
        parts.append(decompress(data))
    return _joined(reference, parts)


def parts_before(chain: str, fetch: FetchPart) -> Sequence[str] | None:
    """Return the hashes of all parts of a turn and of those before it; None if one is missing."""
    turns: list[Sequence[str]] = []
    while chain:
        data = fetch(bytes.fromhex(chain))
        turn = None if data is None else Chain.load(decompress(data))
        if turn is None:
            return None
        turns.append(turn.parts)
        chain = turn.before
    return [part for turn in reversed(turns) for part in turn]


def _joined(reference: Reference, parts: Sequence[bytes]) -> Value:
    match reference.form:
        case "text":
            return parts[0].decode("utf-8", "surrogatepass")
        case "bytes":
            return parts[0]
        case "json":
            return load_value(parts[0])
        case "messages":
            messages = [load_value(part) for part in parts]
            write = STYLES.get(reference.style)
            return cast("Value", messages) if write is None else write(messages)


def _missing(reference: Reference, why: str) -> str:
    shown = f": {reference.preview}…" if reference.preview else ""
    return f"[{why}, {reference.size:,} bytes{shown}]"
