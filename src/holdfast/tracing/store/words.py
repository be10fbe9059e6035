"""The words that a trace is found by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from holdfast.tracing.payload import Reference
from holdfast.tracing.span import Span

_MOST = 4000
_LONGEST = 300


def words_of(spans: Iterable[Span]) -> str:
    """Return the text of a trace: names, errors, texts of attributes, each once.

    It ends after 4,000 characters: what a trace is found by stands near its beginning.
    """
    seen: dict[str, None] = {}
    room = _MOST
    for text in _texts(spans):
        short = text[:_LONGEST]
        if short and short not in seen:
            seen[short] = None
            room -= len(short) + 1
            if room <= 0:
                break
    return "\n".join(seen).encode("utf-8", "replace").decode()


def match_of(text: str) -> str:
    """Return the query of FTS5 for all the words that a person typed; the last may be a beginning."""
    words = [f'"{word.replace(chr(34), chr(34) * 2)}"' for word in text.split()]
    return " ".join(words) + ("*" if words else "")


def _texts(spans: Iterable[Span]) -> Iterator[str]:
    later: list[Span] = []
    for span in spans:
        yield span.name
        if span.error:
            yield span.error
        later.append(span)
    for span in later:
        for value in span.attributes.values():
            if isinstance(value, str):
                yield value
            elif isinstance(value, Mapping):
                reference = Reference.of(value)
                if reference is not None:
                    yield reference.preview
