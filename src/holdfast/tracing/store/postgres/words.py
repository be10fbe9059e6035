"""Words as SQLite's FTS5 takes them from a text, for Postgres to stem and to find. Pure."""

from __future__ import annotations

import re
from unicodedata import combining, normalize

_WORD = re.compile(r"[^\W_]+")
_SHORT = 3
_LONGEST = 200
"""Of a word: Postgres refuses those above 2,046 bytes."""


def words_in(text: str) -> list[str]:
    """Return the runs of letters and digits in a text, small and without accents."""
    plain = "".join(each for each in normalize("NFKD", text.lower()) if not combining(each))
    return [word[:_LONGEST] for word in _WORD.findall(plain)]


def text_of(text: str) -> str:
    """Return a text that Postgres takes apart into the same words."""
    return " ".join(map(_whole, words_in(text)))


def match_of(text: str) -> str:
    """Return what the function `typed` takes, for all words of a person; the last may be a beginning.

    Before the `|` stands what is stemmed, behind it a short beginning, which is not.
    """
    typed = [words_in(each) for each in text.split()]
    beginning = typed[-1].pop() if typed and typed[-1] else ""
    found = [" <-> ".join(f"'{_whole(word)}'" for word in each) for each in typed if each]
    stemmed = " & ".join(f"({each})" for each in found)
    if not beginning:
        return stemmed
    if len(beginning) < _SHORT:
        return f"{stemmed}|'{beginning}':*"
    if typed[-1]:
        found[-1] += f" <-> '{beginning}':*"
    else:
        found.append(f"'{beginning}':*")
    return " & ".join(f"({each})" for each in found)


def _whole(word: str) -> str:
    """Return a word that is stemmed as FTS5 does: not at all if it is short."""
    return word if len(word) >= _SHORT else f"{word}q0"
