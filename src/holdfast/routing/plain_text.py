"""Take the prose out of Markdown, and the sentences out of prose.

Every pattern here is linear in the text: each is bounded, or cannot match its own beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_SENTENCE = 600
"""Characters after which a sentence without an end is cut at a space."""

_FENCE = re.compile(r"[ \t]{0,3}(```+|~~~+)")
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}(?:[ \t]|$)[ \t#]*")
_UNDERLINE = re.compile(r"[ \t]{0,3}(?:=+|-{3,}|\*{3,}|_{3,})[ \t]*$")
_TABLE_ROW = re.compile(r"[ \t]*\||[ \t]*:?-{2,}:?[ \t]*\|")
_LIST_MARK = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?")
_QUOTE_MARK = re.compile(r"[ \t]{0,3}(?:>[ \t]?)+")
_INLINE = (
    (re.compile(r"!\[[^\[\]]{0,300}\]\([^()\s]{0,500}(?:\s[^()]{0,200})?\)"), ""),
    (
        re.compile(
            r"\[([^\[\]]{0,300})\](?:\([^()\s]{0,500}(?:\s[^()]{0,200})?\)|\[[^\[\]]{0,300}\])"
        ),
        r"\1",
    ),
    (re.compile(r"<(https?://[^<>\s]{0,2000})>"), r"\1"),
    (re.compile(r"</?[A-Za-z][^<>]{0,500}>"), " "),
    (re.compile(r"\*\*|__|~~|`|(?<!\w)[*_](?=\w)|(?<=[\w.,!?])[*_](?!\w)"), ""),
)
_SPACE = re.compile(r"\s+")
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]]{0,3}+(?=\s)|[。！？]+[」』”]?")  # noqa: RUF001
_LAST_WORD = re.compile(r"(?:^|[\s(\[\"'“‘«])([^\s(\[\"'“‘«]{1,12})\.$")  # noqa: RUF001
_ALWAYS = """
approx bzw ca cf dr e.g eds gen gov i.e mr mrs ms prof rev sen st u.a u.k u.n u.s vs z.b
"""
_NUMBERED = "art ch eq fig figs no nos nr p pp sec vol"
_ABBREVIATIONS = frozenset(_ALWAYS.split())
_BEFORE_NUMBERS = _ABBREVIATIONS | frozenset(_NUMBERED.split())


def clean(markdown: str) -> str:
    """Return the prose of `markdown`, one paragraph or list item a line.

    Code, tables, comments, images and headings are left out; of links and emphasis the text
    stays. A text that is nothing but headings keeps them.
    """
    text = markdown.replace("\r\n", "\n").removeprefix("\ufeff")
    body = _without_comments(_without_front_matter(text))
    lines = list(_prose_lines(body, keep_headings=False))
    if not any(line.strip() for line in lines):
        lines = list(_prose_lines(body, keep_headings=True))
    return "\n".join(_paragraphs(lines))


def sentences(prose: str) -> list[str]:
    """Return the sentences of what `clean` returned; each occurs in it as it is."""
    return [
        piece
        for line in prose.split("\n")
        for sentence in _split(line)
        for piece in _bounded(sentence)
    ]


def cut(text: str, limit: int) -> str:
    """Return the beginning of `text`, at most `limit` characters, ending with a whole word."""
    if len(text) <= limit:
        return text
    end = text.rfind(" ", 0, limit + 1)
    return text[: end if end > 0 else limit].rstrip()


def _without_front_matter(text: str) -> str:
    if not text.startswith("---\n"):
        return text
    end = text.find("\n---\n", 3)
    return text[end + 5 :] if end >= 0 else text


def _without_comments(text: str) -> str:
    kept, position = list[str](), 0
    while (start := text.find("<!--", position)) >= 0:
        end = text.find("-->", start)
        if end < 0:
            break
        kept.append(text[position:start])
        position = end + 3
    return "".join([*kept, text[position:]])


def _prose_lines(text: str, *, keep_headings: bool) -> Iterator[str]:
    """Yield the lines of prose; an empty line ends a paragraph."""
    fence, before = "", ""
    for raw in [*text.splitlines(), ""]:
        mark = _FENCE.match(raw)
        if fence or mark:
            fence, line = _next_fence(fence, mark.group(1) if mark else "", raw), ""
        elif _UNDERLINE.match(raw):  # below a line of text it makes that line a heading
            before, line = before if keep_headings or _LIST_MARK.match(before) else "", ""
        elif heading := _HEADING.match(raw):
            line = raw[heading.end() :].rstrip(" #") if keep_headings else ""
        else:
            line = "" if _TABLE_ROW.match(raw) else raw
        yield before
        before = line
    yield before


def _next_fence(fence: str, mark: str, line: str) -> str:
    if not fence:
        return mark
    closes = mark.startswith(fence) and not line.strip().strip(fence[0])
    return "" if closes else fence


def _paragraphs(lines: list[str]) -> Iterator[str]:
    paragraph: list[str] = []
    for line in [*lines, ""]:
        text = _QUOTE_MARK.sub("", line, count=1) if ">" in line[:8] else line
        item = _LIST_MARK.match(text)
        if (item or not text.strip()) and paragraph:
            yield from _finished(paragraph)
            paragraph = []
        paragraph.append(text[item.end() :] if item else text)
    yield from _finished(paragraph)


def _finished(paragraph: list[str]) -> Iterator[str]:
    text = " ".join(paragraph).strip()
    if not text:
        return
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    if text := _SPACE.sub(" ", text).strip():
        yield text


def _split(line: str) -> Iterator[str]:
    start = 0
    for end in _SENTENCE_END.finditer(line):
        if _is_abbreviation(line, start, end):
            continue
        if sentence := line[start : end.end()].strip():
            yield sentence
        start = end.end()
    if rest := line[start:].strip():
        yield rest


def _is_abbreviation(line: str, start: int, end: re.Match[str]) -> bool:
    if end.group() != ".":
        return False
    following = line[end.end() : end.end() + 2].strip()
    found = _LAST_WORD.search(line[max(start, end.end() - 14) : end.end()])
    word = found.group(1) if found else ""
    initial = len(word) == 1 and word.isupper()
    known = word.casefold() in (_BEFORE_NUMBERS if following.isdigit() else _ABBREVIATIONS)
    return following.islower() or initial or known


def _bounded(sentence: str) -> Iterator[str]:
    while len(sentence) > MAX_SENTENCE:
        piece = cut(sentence, MAX_SENTENCE)
        yield piece
        sentence = sentence[len(piece) :].lstrip()
    if sentence:
        yield sentence
