"""Turn a question into what SQLite looks for. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

MOST_WORDS = 64
"""How many different words of a question are looked for."""

_WORD = re.compile(r"[^\W_]+")  # the tokenizer of the index splits at the same places

# fmt: off
_STOP_WORDS = frozenset((
    "a", "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at",
    "be", "because", "been", "before", "being", "but", "by", "can", "could", "did", "do",
    "does", "doing", "done", "for", "from", "had", "has", "have", "having", "he", "her", "here",
    "hers", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "just", "me",
    "more", "most", "my", "no", "nor", "not", "now", "of", "off", "on", "once", "only", "or",
    "other", "our", "ours", "out", "over", "own", "s", "same", "she", "should", "so", "some",
    "such", "t", "than", "that", "the", "their", "theirs", "them", "then", "there", "these",
    "they", "this", "those", "through", "to", "too", "under", "until", "up", "us", "very",
    "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom", "whose",
    "why", "will", "with", "would", "you", "your", "yours",
))
# fmt: on


def words_of(text: str) -> list[str]:
    """Return the different words of a question without stop words; with them if it has no other.

    Of a very long question the first `MOST_WORDS` words count.
    """
    words = list(dict.fromkeys(match[0].lower() for match in _WORD.finditer(text)))
    telling = [word for word in words if word not in _STOP_WORDS]
    return (telling or words)[:MOST_WORDS]


def any_of(words: Sequence[str]) -> str:
    """Return the expression for documents with at least one of the words."""
    return " OR ".join(f'"{word}"' for word in words)


def affordable(counts: Mapping[str, int], budget: int) -> str:
    """Return the expression for the documents that are worth a closer look.

    `counts` says in how many documents each word is. Ranking is what takes the time, so the
    rarest words choose, as many of them as bring up to `budget` documents (at least one); the
    others only help to order what was chosen.
    """
    ordered = sorted(counts, key=lambda word: (counts[word], word))
    chosen: list[str] = []
    total = 0
    for word in ordered:
        total += counts[word]
        if chosen and total > budget:
            break
        chosen.append(word)
    if len(chosen) == len(ordered):
        return any_of(chosen)
    return f"({any_of(chosen)}) AND ({any_of(ordered)})"
