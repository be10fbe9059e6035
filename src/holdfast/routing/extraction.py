"""Pick the central sentences and the key phrases of a text. No language model is involved.

Sentences: TextRank (Mihalcea & Tarau, "TextRank: Bringing Order into Texts", EMNLP 2004):
sentences vote for one another by the words they share, and PageRank counts the votes. Phrases:
after RAKE (Rose, Engel, Cramer & Cowley, "Automatic Keyword Extraction from Individual
Documents", 2010): runs of words between stop words and punctuation, scored by word degree.

Both need words between spaces. The stop words are English; in other languages short frequent
words are taken for them. Everything here is deterministic and returns parts of the text as is.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from holdfast.routing.plain_text import cut

WORDS = 120
"""How long extracted prose is unless the caller says otherwise."""

_COMPARED = 300  # sentences that vote: the cost grows with the square
_DAMPING = 0.85
_ROUNDS = 30
_LONGEST_PHRASE = 4
_WORD = re.compile(r"\w+(?:['’\-]\w+){0,5}")  # noqa: RUF001
_STOP_WORDS = """
a about above after again against all almost also although always am among an and another
any are around as at away back be became because become been before being below between both
but by can cannot could did do does doing done down during each either else enough even ever
every few first for from further get gets give given go goes had has have having he hence her
here hers him his how however i if in into is it its itself just last least less let like made
make makes many may me might more most much must my near neither never next no none nor not
nothing now of off often on once one only or other others our ours out over own per perhaps
put quite rather said same say see seem seems several she should since so some something still
such take than that the their theirs them themselves then there therefore these they this
those though through thus to together too toward towards two under until up upon us use used
uses using very via was way we well were what when where whether which while who whole whom
whose why will with within without would yes yet you your yours
"""
_STOP = frozenset(_STOP_WORDS.split())


def central_sentences(
    sentences: Sequence[str], *, max_words: int | None = None, max_chars: int | None = None
) -> list[str]:
    """Return the most central sentences that fit the limits, in the order of the text.

    Without limits that is about `WORDS` words. Where not even the best sentence fits, its
    beginning is returned; where there are none, nothing.
    """
    if max_words is None and max_chars is None:
        max_words = WORDS
    words_left, chars_left = max_words or math.inf, max_chars or math.inf
    ranked = rank(sentences)
    chosen: list[int] = []
    for index in ranked:
        words, chars = len(sentences[index].split()), len(sentences[index]) + 1
        if words <= words_left and chars <= chars_left + 1:
            chosen.append(index)
            words_left, chars_left = words_left - words, chars_left - chars
    if chosen or not ranked:
        return [sentences[index] for index in sorted(chosen)]
    best = sentences[ranked[0]]
    best = cut(best, max_chars) if max_chars else best
    return [" ".join(best.split(" ")[:max_words])]


def rank(sentences: Sequence[str]) -> list[int]:
    """Return the indexes of distinct sentences, the most central first; ties keep their order."""
    stop = _stop_words(sentences)
    bags: dict[int, frozenset[str]] = {}
    seen: set[str] = set()
    for index, sentence in enumerate(sentences):
        if sentence not in seen:
            seen.add(sentence)
            bags[index] = frozenset(_folded(sentence)) - stop
    kept = _most_typical(bags)
    scores = _page_rank([bags[index] for index in kept])
    order = sorted(range(len(kept)), key=lambda place: (-round(scores[place], 9), place))
    return [kept[place] for place in order]


def key_phrases(sentences: Sequence[str], limit: int) -> list[str]:
    """Return up to `limit` phrases, the best first, each as it stands where it first occurs."""
    stop = _stop_words(sentences)
    frequency, degree = Counter[str](), Counter[str]()
    first: dict[tuple[str, ...], str] = {}
    for sentence in sentences:
        for phrase in _phrases(sentence, stop):
            words = tuple(word.casefold() for word in phrase.split(" "))
            first.setdefault(words, phrase)
            for word in words:
                frequency[word] += 1
                degree[word] += len(words)
    # Rose et al. offer three scores of a word; degree favours words that keep coming back.
    ranked = sorted(first, key=lambda words: -sum(degree[word] for word in words))
    return [first[words] for words in islice(_distinct(ranked), max(0, limit))]


def _stop_words(sentences: Sequence[str]) -> frozenset[str]:
    counts = Counter(word for sentence in sentences for word in _folded(sentence))
    often = max(3, counts.total() // 100)
    return _STOP | {word for word, count in counts.items() if len(word) <= 3 and count >= often}


def _folded(sentence: str) -> Iterator[str]:
    return (word.casefold() for word in _WORD.findall(sentence))


def _most_typical(bags: dict[int, frozenset[str]]) -> list[int]:
    """Return the sentences worth comparing, in order: those of the text's frequent words."""
    if len(bags) <= _COMPARED:
        return list(bags)
    counts = Counter(word for bag in bags.values() for word in bag)

    def typical(index: int) -> float:
        return sum(counts[word] for word in bags[index]) / (len(bags[index]) + 3)

    return sorted(sorted(bags, key=lambda index: (-typical(index), index))[:_COMPARED])


def _page_rank(bags: Sequence[frozenset[str]]) -> list[float]:
    links: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for left, bag in enumerate(bags):
        for right in range(left):
            if shared := len(bag & bags[right]):
                # Two sentences of one word each would divide by log 1 = 0.
                size = math.log(len(bag) + 1) + math.log(len(bags[right]) + 1)
                links[left].append((right, shared / size))
                links[right].append((left, shared / size))
    totals = {node: sum(weight for _, weight in near) for node, near in links.items()}
    scores = [1.0] * len(bags)
    for _ in range(_ROUNDS if links else 0):
        shares = [score / totals.get(node, 1.0) for node, score in enumerate(scores)]
        scores = [
            1 - _DAMPING + _DAMPING * sum(weight * shares[near] for near, weight in links[node])
            for node in range(len(bags))
        ]
    return scores


def _phrases(sentence: str, stop: frozenset[str]) -> Iterator[str]:
    """Yield the runs of content words with nothing but one space between them."""
    start = end = count = 0
    for word in _WORD.finditer(sentence):
        content = word.group().casefold() not in stop and not word.group().isdigit()
        if count and not (content and sentence[end : word.start()] == " "):
            if count <= _LONGEST_PHRASE:
                yield sentence[start:end]
            count = 0
        if content:
            start = start if count else word.start()
            end, count = word.end(), count + 1
    if 0 < count <= _LONGEST_PHRASE:
        yield sentence[start:end]


def _distinct(ranked: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Leave out a phrase all of whose words already stand in one that ranks higher."""
    taken: list[frozenset[str]] = []
    for words in ranked:
        if not any(earlier.issuperset(words) for earlier in taken):
            taken.append(frozenset(words))
            yield words
