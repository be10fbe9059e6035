"""How long answers take at each endpoint: moving means of the first byte and of a token after it."""

from __future__ import annotations

from holdfast.frozen import NamedTuple
from holdfast.routing.breakers.board import Place

_WEIGHT = 0.2
_MOST = 20_000


class _Pace(NamedTuple):
    first_ms: float
    token_ms: float


class Speeds:
    """What was measured of the last answers, the newest counting most."""

    def __init__(self) -> None:
        self._paces: dict[Place, _Pace] = {}

    def __call__(self, place: Place, tokens: int) -> float | None:
        """Return the expected milliseconds of an answer of so many tokens, None if unknown."""
        pace = self._paces.get(place)
        return None if pace is None else pace.first_ms + tokens * pace.token_ms

    def note(self, place: Place, first_ms: int, total_ms: int, tokens: int | None) -> None:
        """Count an answer."""
        each = (total_ms - first_ms) / tokens if tokens else 0.0
        first, token = self._paces.get(place) or (first_ms, each)
        self._paces[place] = _Pace(
            first + _WEIGHT * (first_ms - first), token + _WEIGHT * (each - token)
        )
        if len(self._paces) > _MOST:
            self._paces.pop(next(iter(self._paces)))
