"""What a configured model provider is. Plain records: reading them from a file is `settings`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from holdfast.routing.breakers.rules import Rules
from holdfast.routing.quality.rules import QualityRules
from holdfast.routing.seam import Price, Tier, Traits
from holdfast.routing.selection.policies import Policy, Strategy

UNTOLD_OUTPUT: Final = 16_384
"""The limit of tokens under a budget for a request that names none."""
LITELLM: Final = "litellm"
"""The kind of an endpoint that is asked through the library of that name."""

KINDS: Final = ("openai", "anthropic", "gemini", "ollama", "routstr", LITELLM)
"""The wire formats of endpoints; `routstr` is OpenAI's, paid with ecash, and litellm a library for others."""
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
StructuredOutput = Literal["auto", "json_schema", "none"]
"""Whether an endpoint constrains replies to a JSON Schema: try and see, always, never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait for an endpoint, in seconds.

    `connect` covers name lookup, connection and TLS; `first_byte` the wait from there to the
    first byte of the answer's body; `idle` the longest silence after that; `total` the whole, None
    for as long as it takes.
    """

    connect: float = 10.0
    first_byte: float = 120.0
    idle: float = 60.0
    total: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepaid:
    """How a node is paid: `topup_sat` at a time, and never so that it has more than `limit_sat` of ours.

    The limit is what is lost at most when the node vanishes. `mint` is the one that its coins are
    of; empty for the usual one.
    """

    topup_sat: int = 100
    limit_sat: int = 1_000
    mint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """One endpoint that serves models. The key is never shown by `repr`.

    `models` are the models that may be asked for, with their prices where they are known; an
    endpoint without any is asked for every model. `key_variable` is the environment variable
    that `api_key` was to be read from: set with no `api_key`, the variable is missing. `kind` is
    the wire format, `prepaid` how a node is paid; `auto_discover` asks the endpoint which models it has.
    `prefix` and `options` are those of litellm: the name of its provider, and further arguments, which
    may be secret. `trace_context` tells it where in a trace a request was made.
    """

    name: str
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    key_variable: str | None = None
    models: Mapping[str, Price | None] = field(default_factory=dict[str, Price | None])
    structured_output: StructuredOutput = "auto"
    timeouts: Timeouts = field(default_factory=Timeouts)
    kind: str = "openai"
    prepaid: Prepaid | None = None
    tier: Tier = "standard"
    auto_discover: bool = False
    prefix: str = ""
    options: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    trace_context: bool = False

    @property
    def keyless(self) -> bool:
        """Whether the variable of its key is not set, so that it cannot be asked."""
        return self.key_variable is not None and not self.api_key

    @property
    def traits(self) -> Traits:
        """What is true of the provider whatever the model."""
        local = urlsplit(self.base_url).hostname in LOOPBACK
        # A key that is not set yet is another one than none: what is mended is asked at once.
        key = fingerprint(self.api_key or self.key_variable)
        return Traits(tier=self.tier, local=local, key=key)


def fingerprint(key: str | None) -> str:
    """Return what tells keys apart and says nothing about them."""
    if not key:
        return ""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """The most that may be spent, in msat: by a run, an owner, a key, on a day (UTC), and ever."""

    run_msat: int | None = None
    owner_msat: int | None = None
    key_msat: int | None = None
    day_msat: int | None = None
    total_msat: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingConfig:
    """How endpoints are chosen and failures are met.

    All endpoints of a model are tried `rounds` times; only between two rounds is there a pause. Whoever
    finds all circuits open waits `wait_seconds` at most for somebody's probe. Providers with
    `auto_discover` are asked for their models and prices every `discover_seconds`; what they said counts for
    `stale_seconds` where they do not answer. A request under a budget that names no limit of tokens has
    `untold_max_tokens` at most, or that of its model where that is known and less.
    """

    strategy: Strategy = "cheapest"
    rounds: int = 1
    wait_seconds: float = 10.0
    discover_seconds: float = 600.0
    stale_seconds: float = 3600.0
    untold_max_tokens: int = UNTOLD_OUTPUT
    breaker: Rules = field(default_factory=Rules)
    policies: tuple[Policy, ...] = ()
    budgets: Budgets = field(default_factory=Budgets)
    quality: QualityRules | None = None

    @property
    def learns(self) -> bool:
        """Whether anything asks for evidence of quality: a floor, a cascade, or `quality` itself."""
        return self.quality is not None or any(
            each.min_quality is not None or each.cascade or each.check for each in self.policies
        )
