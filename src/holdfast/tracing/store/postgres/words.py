"""Words as SQLite's FTS5 takes them from a text, for Postgres to stem and to find. Pure."""

from __future__ import annotations

import re
from unicodedata import combining, normalize

_WORD = re.compile(r"[^\W_]+")
_LONGEST = 200
"""Of a word: Postgres refuses those above 2,046 bytes."""


def words_in(text: str) -> list[str]:
    """Return the runs of letters and digits in a text, small and without accents."""
    plain = "".join(each for each in normalize("NFKD", text.lower()) if not combining(each))
    return [word[:_LONGEST] for word in _WORD.findall(plain)]


def text_of(text: str) -> str:
    """Return a text that Postgres takes apart into the same words."""
    return " ".join(words_in(text))


def match_of(text: str) -> str:
    """Return the `tsquery` for all the words that a person typed; the last may be a beginning."""
    typed = [" <-> ".join(f"'{word}'" for word in words_in(each)) for each in text.split()]
    found = [f"({each})" for each in typed if each]
    if found and typed[-1]:
        found[-1] = f"({typed[-1]}:*)"
    return " & ".join(found)
