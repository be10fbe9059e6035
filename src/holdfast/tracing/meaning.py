"""What a span means, whichever convention wrote it: the view that analysis and reports use.

`holdfast.tracing.dialects.meaning_of` makes it from a span. Nothing here is stored but what
`TraceDigest` repeats: conventions change, so they are read anew each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from holdfast.frozen import frozen
from holdfast.tracing.span import Value

Role = Literal[
    "run", "step", "agent", "workflow", "model", "embedding", "tool", "retrieval", "memory",
    "database", "http", "message", "guardrail", "evaluation", "wait", "other",
]  # fmt: skip
"""What kind of work a span is. `wait` is time in a queue or until a person answers."""


@frozen
class TokenUsage:
    """Tokens of a model call, taken apart so that no token is in two of them. None: not told.

    `input` is what was neither read from nor written to a cache, `output` is without `reasoning`.
    """

    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    image_input: int | None = None

    @property
    def total_input(self) -> int | None:
        """All that went in; None if nothing was told."""
        return _sum(
            self.input, self.cache_read, self.cache_write, self.cache_write_1h, self.audio_input,
            self.image_input,
        )  # fmt: skip

    @property
    def total_output(self) -> int | None:
        """All that came out; None if nothing was told."""
        return _sum(self.output, self.reasoning, self.audio_output)


@frozen
class ModelUse:
    """The model call that a span is. `ttft_ns` is the time to the first token or chunk."""

    provider: str = ""
    model: str = ""
    """The model that answered; the one that was asked for where that was not told."""
    usage: TokenUsage = TokenUsage()
    finish_reasons: tuple[str, ...] = ()
    ttft_ns: int | None = None
    streamed: bool | None = None
    told_cost: Mapping[str, int] | None = None
    """What the provider or the router says it cost: millionths of each currency, or `msat`."""
    beyond_tokens: bool = False
    """Whether something was charged that is no token, such as searches: no price of tokens covers it."""


@frozen
class Meaning:
    """What one span is, in the words of Holdfast.

    `input` and `output` are the values or references (`holdfast.tracing.payload`) of what went in
    and came out. `count_usage` is false for a span that repeats the sums of those below it.
    """

    role: Role
    model: ModelUse | None = None
    tool: str = ""
    input: Value = None
    output: Value = None
    session: str = ""
    user: str = ""
    release: str = ""
    workflow: str = ""
    count_usage: bool = True
    dialects: tuple[str, ...] = ()
    """Which conventions the attributes follow, such as `genai-1.36` or `openinference`."""


def _sum(*numbers: int | None) -> int | None:
    told: Sequence[int] = [each for each in numbers if each is not None]
    return sum(told) if told else None
