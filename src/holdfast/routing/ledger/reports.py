"""What the ledger says about requests: records, pages of them, and sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from holdfast.frozen import frozen
from holdfast.routing.ledger.entries import Attempt, State
from holdfast.routing.seam import Usage

GroupBy = Literal[
    "model", "tier", "asked_tier", "provider", "policy", "owner", "key", "class", "outcome", "day"
]
SortBy = Literal["at", "cost", "latency", "tokens"]
Order = Literal["asc", "desc"]


@frozen
class Filters:
    """Which requests; None stands for all. Times are milliseconds, `until_ms` is outside."""

    since_ms: int | None = None
    until_ms: int | None = None
    model: str | None = None
    """The model that served, or that was asked for where none did."""
    provider: str | None = None
    owner: str | None = None
    run_id: str | None = None
    key_id: str | None = None
    policy: str | None = None
    tier: str | None = None
    """The tier of who served."""
    asked_tier: str | None = None
    outcome: str | None = None
    state: State | None = None
    stream: bool | None = None
    success: bool | None = None


@frozen
class Logged:
    """A request as it stands in the ledger.

    `charged_msat` is None where the cost is not known, wholly or in part; `debit_msat` is what is known
    of it and `held_msat` what caps count beyond that. `micros` are millionths of the currency of the
    ledger's exchange, None without a rate for that day.
    """

    id: str
    at_ms: int
    state: State
    owner: str
    run_id: str
    key_id: str
    policy: str
    asked_model: str
    request_class: str
    stream: bool
    asked_tier: str
    """What was asked for, or what the request looked like where the choice was left to us."""
    tier: str
    """That of who served it; empty if nobody did."""
    complexity: float | None
    reserved_msat: int | None
    held_msat: int
    debit_msat: int
    charged_msat: int | None
    quoted_msat: int | None
    micros: int | None
    outcome: str
    message: str
    provider: str
    model: str
    latency_ms: int | None
    first_byte_ms: int | None
    retries: int
    cut_off: bool
    usage: Usage
    attempts: tuple[Attempt, ...] = ()
    """Empty in pages; `Ledger.request` tells them."""


@frozen
class Page:
    """A page of requests, `page` counting from 1, and how many there are in all."""

    requests: Sequence[Logged]
    page: int
    per_page: int
    total: int


@frozen
class Sums:
    """What a group of requests came to. Of those that were `refused` or cancelled nothing was sent.

    They are counted apart and are not among the `requests`.
    `debit_msat` and `micros` sum what is known; `unknown_requests` are not wholly in it. `micros` is None if
    the exchange has no rate for one of the days. Means are over requests that ended.
    """

    group: str
    requests: int
    refused: int
    ok: int
    failed: int
    on_their_way: int
    in_doubt: int
    unknown_requests: int
    debit_msat: int
    held_msat: int
    micros: int | None
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    retries: int
    mean_latency_ms: float | None
