"""What a configured model provider is. Plain records: reading them from a file is `settings`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from holdfast.routing.seam import Price

StructuredOutput = Literal["auto", "json_schema", "none"]
"""Whether an endpoint constrains replies to a JSON Schema: try and see, always, never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait for an endpoint, in seconds. There is no limit on a whole answer.

    `connect` covers name lookup, connection and TLS; `first_byte` the wait from there to the
    first byte of the answer's body; `idle` the longest silence after that.
    """

    connect: float = 10.0
    first_byte: float = 120.0
    idle: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """One endpoint that serves models. The key is never shown by `repr`.

    `models` are the models that may be asked for, with their prices where they are known; an
    endpoint without any is asked for every model. `key_variable` is the environment variable
    that `api_key` was to be read from: set with no `api_key`, the variable is missing.
    """

    name: str
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    key_variable: str | None = None
    models: Mapping[str, Price | None] = field(default_factory=dict[str, Price | None])
    structured_output: StructuredOutput = "auto"
    timeouts: Timeouts = field(default_factory=Timeouts)
