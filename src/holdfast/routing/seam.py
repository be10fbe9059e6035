"""The routing seam: a request for a model, its reply, and what a provider must offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol

from holdfast.frozen import frozen

OFFLINE = "offline"
"""The provider that is always there and leaves nothing out of the machine."""

OFFLINE_EXTRACT = "offline/extract"
"""The built-in model that extracts from the text it is given. It is not a language model."""

OnText = Callable[[str], None]
"""Called with each piece of a streamed reply as it arrives."""


Tier = Literal["local", "standard", "frontier"]
TIERS: Final[tuple[Tier, ...]] = ("local", "standard", "frontier")
"""How able the models of a provider are held to be, the least first."""


@frozen
class Message:
    """One message of a conversation, sent exactly as written."""

    role: Literal["system", "user", "assistant"]
    content: str


@frozen
class OutputContract:
    """What a structured reply must be: a JSON Schema, and a check that also parses.

    `parse` returns the value or raises `ModelOutputError` with a sentence for the model.
    """

    name: str
    schema: Mapping[str, object]
    parse: Callable[[str], object]


@frozen
class ModelRequest:
    """One question to a model."""

    model: str
    messages: tuple[Message, ...]
    output: OutputContract | None = None
    temperature: float | None = None
    max_tokens: int | None = None


@frozen
class Usage:
    """Tokens of a reply, as the provider counted them; None where it did not say.

    `input_tokens` and `output_tokens` are whole sums, as OpenAI counts: those read from a cache and
    written to it are among the tokens in, those of reasoning among the tokens out. A provider
    that counts them beside the sums has them added by its adapter. `beyond_tokens` says that something
    was counted that no price here is for, as searches: only the provider knows what that costs.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    beyond_tokens: bool = False


@frozen
class Price:
    """Thousandths of a satoshi (msat) for a million tokens, in and out, and for a request.

    Tokens that are read from a cache or written to it cost as much as others in, and those of
    reasoning as much as others out, where their own price is None.
    """

    input_msat_per_million: int
    output_msat_per_million: int
    request_msat: int = 0
    cache_read_msat_per_million: int | None = None
    cache_write_msat_per_million: int | None = None
    reasoning_msat_per_million: int | None = None


@frozen
class ModelReply:
    """A finished reply.

    `value` is what the request's output contract made of `text`, or `text` itself. `cost_msat`
    is None where the price or the usage is unknown: unknown is never counted as free.
    `calls` is how many requests were sent to get it. `extractive` marks the built-in extractor.
    """

    text: str
    value: object
    provider: str
    model: str
    usage: Usage
    cost_msat: int | None
    calls: int = 1
    finish_reason: str = "stop"
    extractive: bool = False


@frozen
class Traits:
    """What is true of a provider whatever the model.

    `key` is the fingerprint of its key, `local` says that nothing leaves the machine, `overhead_msat`
    is what paying for one request costs besides its price.
    """

    tier: Tier = "standard"
    local: bool = False
    key: str = ""
    overhead_msat: int = 0


@frozen
class Account:
    """Who pays for a request: budgets and reports are kept by these names."""

    owner: str = ""
    run_id: str = ""
    key_id: str = ""


class Provider(Protocol):
    """Somewhere that serves models. One file a kind of provider."""

    @property
    def name(self) -> str: ...

    @property
    def traits(self) -> Traits: ...

    def models(self) -> tuple[str, ...]:
        """Return the models that are known here, in configured order; for messages and defaults.

        A provider that may be asked for any model returns none.
        """
        ...

    def serves(self, model: str) -> bool:
        """Whether `model` may be asked for here."""
        ...

    def price(self, model: str) -> Price | None:
        """Return what `model` costs here, None if nobody knows."""
        ...

    async def complete(self, request: ModelRequest, on_text: OnText | None) -> ModelReply:
        """Send one request and return its reply, `value` being the bare text.

        Cancelling the call stops the work upstream.

        Raises:
            ProviderUnavailable: a later try may succeed.
            ProviderRefused: a later try would fail the same way.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
