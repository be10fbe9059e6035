"""Look for keys and passwords in what is to be remembered. Pure.

Memory is read back into prompts, printed and exported: a key in it has leaked. What is looked for are
forms that are unlikely to be anything else; no scan finds everything.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class Secret(NamedTuple):
    """Something that looks like a secret: what it is, and where it stands in the text."""

    what: str
    start: int
    end: int


_FORMS = (
    (
        "a private key",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----)?",
    ),
    ("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})\b"),
    ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("a Slack token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    ("a Stripe key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}\b"),
    ("a Google API key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("a key of a model provider", r"\bsk-(?:[a-z0-9]+-)*[A-Za-z0-9_-]{20,}"),
    ("a package registry token", r"\b(?:npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,})"),
    ("a JSON web token", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    ("a password in an address", r"(?<=://)[^\s/:@]{1,100}:[^\s/@]{3,100}(?=@)"),
)
_PATTERNS = tuple((what, re.compile(form, re.DOTALL)) for what, form in _FORMS)
_ASSIGNED = re.compile(
    r"(?i)(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|credentials?)"
    r"[\"']?\s*(?::|=|\bis\b)\s*[\"'`]?([^\s\"'`,;]{8,200})"
)
_ENTROPY = 3.0
_REDACTED = "[redacted]"


def find_secrets(text: str) -> Sequence[Secret]:
    """Return what looks like a secret, in the order of the text, without overlaps."""
    found = [
        Secret(what, match.start(), match.end())
        for what, pattern in _PATTERNS
        for match in pattern.finditer(text)
    ]
    found += [
        Secret("a password or a key", match.start(1), match.end(1))
        for match in _ASSIGNED.finditer(text)
        if _is_random(match[1])
    ]
    found.sort(key=lambda each: (each.start, -each.end))
    apart: list[Secret] = []
    for each in found:
        if not apart or each.start >= apart[-1].end:
            apart.append(each)
    return apart


def redact(text: str) -> str:
    """Return the text with everything that looks like a secret taken out."""
    parts: list[str] = []
    end = 0
    for secret in find_secrets(text):
        parts += [text[end : secret.start], _REDACTED]
        end = secret.end
    return "".join([*parts, text[end:]])


def _is_random(word: str) -> bool:
    """Tell whether a word looks made by a machine: mixed, and no placeholder."""
    if word.startswith(("$", "<", "{", "%", "[")) or not any(map(str.isdigit, word)):
        return False
    counts = Counter(word)
    entropy = -sum(n / len(word) * math.log2(n / len(word)) for n in counts.values())
    return entropy >= _ENTROPY or any(not each.isalnum() for each in word)
