"""Tell whether two failures are the same one, in spite of ids, numbers and line numbers.

The algorithm has a version, which is a part of each fingerprint: errors that were grouped by
another version stay apart instead of being mixed. Templates follow the idea of Drain (He and
others, ICWS 2017): what varies within a message is masked, what is left names the group.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

from holdfast.tracing.analysis.exceptions import Frame, Told, short_kind

VERSION = 1
_FRAMES = 8
_MESSAGE = 2000
_MASKS = (
    (re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE), "<url>"),
    (re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"), "<email>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\"[^\"\n]*\"|(?<!\w)'[^'\n]*'(?!\w)|`[^`\n]*`|«[^»\n]*»|“[^”\n]*”"), "<value>"),
    (re.compile(r"(?<![\w<])(?:[A-Za-z]:)?[\\/](?:[\w.@+-]+[\\/])*[\w.@+-]+"), "<path>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
    # What has letters and digits mixed is an id: `run-7fa3`, `req_011CSHoE`, `call1`.
    (re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])[\w-]{6,}\b"), "<id>"),
    (re.compile(r"[-+]?\d+(?:[.,_:]\d+)*"), "<n>"),
)  # fmt: skip
_SPACE = re.compile(r"\s+")
_REPEATED = re.compile(r"(<\w+>)(?:(?:\s*,\s*|\s+)\1)+")
_LOCAL = re.compile(r"<locals>\.|\.<lambda>$")


def template_of(message: str) -> str:
    """Return a message with all that varies masked: ids, numbers, paths, quoted values, times."""
    text = message[:_MESSAGE]
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return _REPEATED.sub(r"\1", _SPACE.sub(" ", text).strip())


def fingerprint_of(told: Told, *, place: str) -> str:
    """Return the fingerprint of a failure: `VERSION` in hex digits and 16 of a hash.

    It is made of the exception type, the calls in the application (module and function, no line),
    and the template of the message. `place` names a failure that tells none of them.
    """
    calls = [_call(frame) for frame in told.frames if frame.in_app][-_FRAMES:]
    parts = [short_kind(told.kind), template_of(told.message), *calls]
    if not any(parts):
        parts.append(template_of(place))
    return f"{VERSION:x}{_digest(parts)}"


def _call(frame: Frame) -> str:
    return f"{frame.module}:{_LOCAL.sub('', frame.function)}"


def _digest(parts: Sequence[str]) -> str:
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return blake2b(joined, digest_size=8).hexdigest()
