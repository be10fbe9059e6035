"""Which endpoint holds how much of a conversation in its cache: known without asking the client.

Providers keep the beginnings of prompts for some minutes and sell them back at a lower price. Turns
of one conversation share their first messages, so those are its key.
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
_LEAST_TOKENS: Final = 1024
"""A shorter beginning is kept by no provider."""


class _Held(NamedTuple):
    place: Place
    tokens: int
    until_ms: int


class Conversations:
    """Remembers the newest 10,000 conversations of the last five minutes."""

    def __init__(self) -> None:
        self._held: OrderedDict[bytes, _Held] = OrderedDict()

    def cached(self, key: bytes, now_ms: int) -> Mapping[Place, int]:
        """Return how many tokens of a conversation a place still holds."""
        held = self._held.get(key)
        if held is None or held.until_ms <= now_ms:
            return {}
        return {held.place: held.tokens}

    def note(self, key: bytes, place: Place, tokens: int | None, now_ms: int) -> None:
        """Remember that a place has read so many tokens."""
        if not tokens or tokens < _LEAST_TOKENS:
            return
        self._held[key] = _Held(place, tokens, now_ms + _TTL_MS)
        self._held.move_to_end(key)
        if len(self._held) > _MOST:
            self._held.popitem(last=False)


def conversation_key(owner: str, opening: Sequence[str]) -> bytes:
    """Return the key of a conversation from its owner and its first messages."""
    text = "\0".join((owner, *opening)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()
