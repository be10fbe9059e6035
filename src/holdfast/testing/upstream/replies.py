"""What the faulty upstream answers, before it is put into a wire format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from holdfast.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Tokens: all that went in with those of the cache, all that came out with the reasoning."""

    input: int = 10
    output: int = 5
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """A tool call; `arguments` is a JSON object, written as text."""

    id: str
    name: str
    arguments: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole reply.

    `pieces` is how many events its text is cut into when it is streamed; each call's arguments come
    in two. `finish` is the finish reason as chat completions call it, by default what fits. `told`
    are the tokens that the answer reports if they are not what was charged (`counts`), and `cost` is
    reported as `usage.cost` where the format is that of chat completions; `headers` are sent with a whole answer.
    """

    text: str = "Hello there, friend."
    reasoning: str = ""
    calls: tuple[ToolUse, ...] = ()
    pieces: int = 4
    finish: str = ""
    counts: Counts = Counts()
    told: Counts | None = None
    cost: float | Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def reported(self) -> Counts:
        """The tokens that the answer says it used."""
        return self.told or self.counts

    @property
    def ending(self) -> str:
        """The finish reason."""
        return self.finish or ("tool_calls" if self.calls else "stop")


def cut(text: str, pieces: int) -> list[str]:
    """Return `text` in at most `pieces` parts of nearly equal length, none of them empty.

    Raises:
        UsageError: fewer than one piece is asked for.
    """
    if pieces < 1:
        raise UsageError("a reply comes in at least one piece")
    ends = [len(text) * number // pieces for number in range(pieces + 1)]
    return [text[a:b] for a, b in pairwise(ends) if a < b]
