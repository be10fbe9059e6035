"""Texts as vectors: the seam for any embedder, and one that needs no model and no download."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, Protocol, cast
from zlib import crc32

from holdfast.errors import InputError

Vector = Mapping[int, float] | Sequence[float]
"""A point: either its places that are not zero, or all of its numbers.

The first kind counts features of a text, and rare ones weigh more (tf-idf). The second kind comes
from a model that was trained, and is compared as it is.
"""

_PLACES: Final = 2**20
_WORD = re.compile(r"[^\W_]+|[^\s\w]")


class Embedder(Protocol):
    """Something that says where texts lie, so that like texts lie near one another."""

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Return a vector for each text, all of one kind; the same text always gets the same."""
        ...


class HashedWords:
    """Count words, pairs of neighbouring words and pieces of words, by their hashes.

    It knows nothing of meaning: `car` and `automobile` have nothing in common. It tells subjects
    and forms of request apart, which is what a choice of models needs first. At most
    `most_features` of a text's features are kept, those that occur most, of its first
    `most_characters`.
    """

    def __init__(self, *, most_features: int = 128, most_characters: int = 8000) -> None:
        self._most_features = most_features
        self._most_characters = most_characters

    def embed(self, texts: Sequence[str]) -> Sequence[Mapping[int, float]]:
        return [self._embed(text) for text in texts]

    def _embed(self, text: str) -> Mapping[int, float]:
        counted = Counter(_features(text[: self._most_characters].lower()))
        vector: dict[int, float] = {}
        for feature, count in counted.most_common(self._most_features):
            place = crc32(feature.encode("utf-8", "backslashreplace")) % _PLACES
            vector[place] = vector.get(place, 0.0) + 1 + math.log(count)
        return vector


class FunctionEmbedder:
    """An embedder that is a function of a list of texts, whose results are looked at before they are kept."""

    def __init__(self, function: Callable[[list[str]], object], name: str) -> None:
        self._function = function
        self._name = name

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Return its vectors.

        Raises:
            InputError: it fails, or returns something else than one vector of finite numbers for each text.
        """
        try:
            said = self._function(list(texts))
        except Exception as error:
            raise InputError(
                f"the embedder {self._name} failed: {type(error).__name__}: {error}"[:300]
            ) from error
        try:
            vectors = [_plain(each) for each in cast("Iterable[object]", said)]
        except (TypeError, ValueError, OverflowError):
            vectors = []
        if len(vectors) != len(texts) or not all(vectors) or not all(map(_is_finite, vectors)):
            raise InputError(
                f"the embedder {self._name} returned no vector of finite numbers for each text",
                hint="return a list with a list of floats for each text, all of one length",
            )
        return vectors


def shape_of(vector: Vector) -> int:
    """Return how many numbers a vector has, -1 for one that counts features: others are not like it."""
    return -1 if isinstance(vector, Mapping) else len(vector)


def _plain(vector: object) -> Vector:
    if isinstance(vector, Mapping):
        counted = cast("Mapping[object, object]", vector)
        return {int(cast("int", k)): float(cast("float", v)) for k, v in counted.items()}
    return [float(cast("float", number)) for number in cast("Iterable[object]", vector)]


def _is_finite(vector: Vector) -> bool:
    return all(map(math.isfinite, vector.values() if isinstance(vector, Mapping) else vector))


def _features(text: str) -> Iterator[str]:
    words = _WORD.findall(text)
    yield from words
    yield from (f"{first} {second}" for first, second in pairwise(words))
    for word in words:
        if len(word) > 5:
            yield from (f"<{word[:4]}", f"{word[-4:]}>")
