"""Look for keys and passwords in a text. Pure.

What is looked for are forms that are unlikely to be anything else; no scan finds everything. A text
that holds none of the beginnings of a form is never searched for it: most texts cost next to nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Secret(NamedTuple):
    """Something that looks like a secret: what it is, and where it stands in the text."""

    what: str
    start: int
    end: int


class _Form(NamedTuple):
    what: str
    pattern: re.Pattern[str]
    begins: tuple[str, ...]
    """A text that holds none of these has no such secret."""


def _form(what: str, pattern: str, *begins: str) -> _Form:
    return _Form(what, re.compile(pattern, re.DOTALL), begins)


FORMS = (
    _form(
        "a private key",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----)?",
        "-----BEGIN ",
    ),
    _form("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", "AKIA", "ASIA"),
    _form(
        "a GitHub token",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})\b",
        "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
    ),
    _form("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}", "glpat-"),
    _form("a Slack token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}", "xox"),
    _form("a Stripe key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}\b", "k_live_", "k_test_"),
    _form("a Google API key", r"\bAIza[0-9A-Za-z_-]{35}", "AIza"),
    _form("a key of a model provider", r"\bsk-(?:[a-z0-9]+-)*[A-Za-z0-9_-]{20,}", "sk-"),
    _form(
        "a package registry token",
        r"\b(?:npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,})",
        "npm_", "pypi-",
    ),
    _form(
        "a JSON web token",
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
        "eyJ",
    ),
    _form("a password in an address", r"(?<=://)[^\s/:@]{1,100}:[^\s/@]{3,100}(?=@)", "://"),
    _form(
        "a bearer token",
        r"(?<=[Bb]earer )[A-Za-z0-9._~+/-]{8,}=*|(?<=[Bb]asic )[A-Za-z0-9+/]{12,}=*",
        "earer ", "asic ",
    ),
)  # fmt: skip
_BEGINS = tuple(begin for form in FORMS for begin in form.begins)
_ASSIGNED_WORDS = (
    "password", "passwd", "secret", "token", "apikey", "api_key", "api-key", "accesskey",
    "access_key", "access-key", "credential",
)  # fmt: skip
_ASSIGNED = re.compile(
    r"(?i)(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|credentials?)"
    r"[\"'\\]*\s*(?::|=|\bis\b)\s*[\"'`\\]*([^\s\"'`,;\\]{8,200})"
)
_LEAST_ENTROPY = 3.0
_LEAST = 8
"""Nothing shorter is a secret."""
_LONG_WORD = re.compile(r"[A-Za-z0-9+/_-]{32,200}={0,2}")
_HEX_DIGITS = "0123456789abcdefABCDEF-"
_HEX = re.compile(r"[0-9a-fA-F-]+")
_LONG_ENTROPY = 4.5


def find_secrets(text: str, *, by_entropy: bool = False) -> Sequence[Secret]:
    """Return what looks like a secret, in the order of the text, without overlaps.

    With `by_entropy` also long words that look made by a machine and are no ids or hashes.
    """
    if len(text) < _LEAST:
        return ()
    found: list[Secret] = []
    holds = text.__contains__
    if any(map(holds, _BEGINS)):
        found += [
            Secret(form.what, match.start(), match.end())
            for form in FORMS
            if any(map(holds, form.begins))
            for match in form.pattern.finditer(text)
        ]
    lower = text.lower()
    if any(map(lower.__contains__, _ASSIGNED_WORDS)):
        found += _assigned(text, lower)
    if by_entropy and len(text) >= 32:
        found += _random_words(text)
    return _apart(found) if found else ()


def is_hex(text: str) -> bool:
    """Tell whether a text is an id or a hash, as far as one can see: no secret is found in such."""
    return not text.strip(_HEX_DIGITS)


def _assigned(text: str, lower: str) -> Iterator[Secret]:
    """Yield values that are given to a name such as `password`."""
    if len(lower) != len(text):  # few letters have lower ones of another length
        lower = text
    for word in _ASSIGNED_WORDS:
        place = lower.find(word)
        while place >= 0:
            match = _ASSIGNED.match(text, place)
            if match is not None and _looks_random(match[1]):
                yield Secret("a password or a key", match.start(1), match.end(1))
            place = lower.find(word, place + len(word))


def _random_words(text: str) -> Iterator[Secret]:
    for match in _LONG_WORD.finditer(text):
        word = match[0]
        mixed = any(map(str.isdigit, word)) and any(map(str.isupper, word))
        if not mixed or not any(map(str.islower, word)) or _HEX.fullmatch(word):
            continue
        if "/" in word and word.count("/") > len(word) // 16:
            continue  # a path
        if _entropy(word) >= _LONG_ENTROPY:
            yield Secret("a random word", match.start(), match.end())


def _apart(found: list[Secret]) -> list[Secret]:
    found.sort(key=lambda each: (each.start, -each.end))
    apart: list[Secret] = []
    for each in found:
        if not apart or each.start >= apart[-1].end:
            apart.append(each)
    return apart


def _looks_random(word: str) -> bool:
    """Tell whether a word looks made by a machine: mixed, and no placeholder."""
    if word.startswith(("$", "<", "{", "%", "[")) or not any(map(str.isdigit, word)):
        return False
    return _entropy(word) >= _LEAST_ENTROPY or any(not each.isalnum() for each in word)


def _entropy(word: str) -> float:
    """Return the bits that a letter of the word tells, by how often each occurs in it."""
    return -sum(n / len(word) * math.log2(n / len(word)) for n in Counter(word).values())
