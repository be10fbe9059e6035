"""Which endpoint holds how much of a conversation in its cache: known without asking the client.

Providers keep the beginnings of prompts for some minutes and sell them back at a lower price. Turns
of one conversation share their first messages, so those are its key. How long a conversation lasts
nobody knows; that it goes on for as long as it has lasted is a guess that needs to know nothing else.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from holdfast.frozen import NamedTuple
from holdfast.routing.breakers.board import Place

_TTL_MS: Final = 300_000
_MOST: Final = 10_000
_MOST_PLACES: Final = 4
_MOST_TURNS: Final = 2
"""Further ahead quotes have changed: counting more turns made sessions at drifting quotes dearer."""
_LEAST_TOKENS: Final = 1024
"""A shorter beginning is kept by no provider."""


_NOTHING: Final[Mapping[Place, int]] = {}


class _Cache(NamedTuple):
    tokens: int
    until_ms: int


class _Held(NamedTuple):
    caches: Mapping[Place, _Cache]
    turns: int


class Conversations:
    """Remembers the newest 10,000 conversations, and of each the caches of the last five minutes."""

    def __init__(self) -> None:
        self._held: OrderedDict[bytes, _Held] = OrderedDict()

    def cached(self, key: bytes, now_ms: int) -> Mapping[Place, int]:
        """Return how many tokens of a conversation places still hold."""
        if key not in self._held:
            return _NOTHING
        return {place: cache.tokens for place, cache in self._warm(key, now_ms).items()}

    def turns(self, key: bytes, now_ms: int) -> int:
        """Return how many more turns to count on: as many as there were, two at most."""
        if key not in self._held:
            return 0
        return self._held[key].turns if self._warm(key, now_ms) else 0

    def note(self, key: bytes, place: Place, tokens: int | None, now_ms: int) -> None:
        """Remember that a place has read so many tokens."""
        if not tokens or tokens < _LEAST_TOKENS:
            return
        caches = {p: cache for p, cache in self._warm(key, now_ms).items() if p != place}
        while len(caches) >= _MOST_PLACES:
            caches.pop(next(iter(caches)))
        caches[place] = _Cache(tokens, now_ms + _TTL_MS)
        self._held[key] = _Held(caches, min(self.turns(key, now_ms) + 1, _MOST_TURNS))
        self._held.move_to_end(key)
        if len(self._held) > _MOST:
            self._held.popitem(last=False)

    def _warm(self, key: bytes, now_ms: int) -> dict[Place, _Cache]:
        held = self._held.get(key)
        if held is None:
            return {}
        return {place: cache for place, cache in held.caches.items() if cache.until_ms > now_ms}


def conversation_key(owner: str, opening: Sequence[str]) -> bytes:
    """Return the key of a conversation from its owner and its first messages."""
    text = "\0".join((owner, *opening)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()
