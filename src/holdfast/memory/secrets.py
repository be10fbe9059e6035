"""Take secrets out of what is to be remembered. Pure.

Memory is read back into prompts, printed and exported: a key in it has leaked.
"""

from __future__ import annotations

from holdfast.tracing.redaction.finding import find_secrets

__all__ = ["find_secrets", "redact"]

_REDACTED = "[redacted]"


def redact(text: str) -> str:
    """Return the text with everything that looks like a secret taken out."""
    parts: list[str] = []
    end = 0
    for secret in find_secrets(text):
        parts += [text[end : secret.start], _REDACTED]
        end = secret.end
    return "".join([*parts, text[end:]])
