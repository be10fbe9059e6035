"""Read requests back: one, a page, or sums of groups, in sats and in a currency."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from holdfast.errors import UsageError
from holdfast.routing.ledger.booking import IN_DOUBT, STATES
from holdfast.routing.ledger.entries import Attempt, ProviderCharges, Unknown
from holdfast.routing.ledger.file import QUERIES
from holdfast.routing.ledger.lengths import Lengths
from holdfast.routing.ledger.reports import Filters, GroupBy, Logged, Order, Page, SortBy, Sums
from holdfast.routing.seam import Usage
from holdfast.tracing.billing.money import Exchange
from holdfast.tracing.billing.prices import SAT

MOST_PER_PAGE = 100
_LENGTHS_READ = 10_000
_MODEL = "coalesce(nullif(model, ''), asked)"
_GROUPS: Mapping[GroupBy | None, str] = {
    "model": _MODEL,
    "tier": "served_tier",
    "asked_tier": "tier",
    "provider": "provider",
    "policy": "policy",
    "owner": "owner",
    "key": "key",
    "class": "class",
    "outcome": "outcome",
    "day": "date(at_ms / 1000, 'unixepoch')",
    None: "''",
}
_SORTS: Mapping[SortBy, str] = {
    "at": "at_ms",
    "cost": "debit_msat",
    "latency": "latency_ms",
    "tokens": "coalesce(input_tokens, 0) + coalesce(output_tokens, 0)",
}
_ORDERS: Mapping[Order, str] = {"asc": "ASC", "desc": "DESC"}
_CONDITIONS = {
    "since_ms": "at_ms >= ?",
    "until_ms": "at_ms < ?",
    "model": f"{_MODEL} = ?",
    "provider": "provider = ?",
    "owner": "owner = ?",
    "run_id": "run = ?",
    "key_id": "key = ?",
    "policy": "policy = ?",
    "tier": "served_tier = ?",
    "asked_tier": "tier = ?",
    "outcome": "outcome = ?",
    "state": "state = ?",
    "stream": "stream = ?",
    "success": "(state = 2 AND outcome = 'ok') = ?",
}


def read_request(
    connection: sqlite3.Connection, request_id: str, exchange: Exchange | None
) -> Logged | None:
    """Return a request with its attempts."""
    row = connection.execute(QUERIES["read_request"], (bytes.fromhex(request_id),)).fetchone()
    if row is None:
        return None
    number, *members = row
    attempts = connection.execute(QUERIES["read_attempts"], (number,)).fetchall()
    return _logged(members, exchange, tuple(_attempt(each) for each in attempts))


def read_lengths(connection: sqlite3.Connection) -> Lengths:
    """Return what the last answers in the ledger taught."""
    lengths = Lengths()
    rows = connection.execute(QUERIES["recent_lengths"], (_LENGTHS_READ,)).fetchall()
    for policy, model, request_class, tokens, cut_off in reversed(rows):
        lengths.learn(policy, model, request_class, tokens, cut_off=bool(cut_off))
    return lengths


def read_charges(connection: sqlite3.Connection, provider: str) -> ProviderCharges:
    """Return what a provider charged, in one moment of the file."""
    connection.execute("BEGIN")
    try:
        told, later, (under_way,) = (
            connection.execute(QUERIES[query], (provider,)).fetchone()
            for query in ("charges_of_provider", "resolved_of_provider", "open_of_provider")
        )
        unknown = connection.execute(QUERIES["unknown_of_provider"], (provider,)).fetchall()
    finally:
        connection.execute("COMMIT")
    return ProviderCharges(
        charged_msat=told[0] + later[0],
        calls=told[1] + later[1],
        unknown=tuple(map(Unknown._make, unknown)),
        under_way=under_way,
    )


def read_page(
    connection: sqlite3.Connection,
    *,
    page: int,
    per_page: int,
    sort: SortBy,
    order: Order,
    filters: Filters,
    exchange: Exchange | None,
) -> Page:
    """Return a page of requests.

    Raises:
        UsageError: the page, its size, the member to sort by or the order is none.
    """
    if not 1 <= per_page <= MOST_PER_PAGE:
        raise UsageError(f"a page has 1 to {MOST_PER_PAGE} requests, not {per_page}")
    if not 1 <= page <= 2**31:
        raise UsageError(f"pages count from 1, there is no page {page}")
    by = _choice("sort", sort, _SORTS)
    direction = _choice("order", order, _ORDERS)
    where, values = _where(filters)
    # What is put into the texts comes from the tables above, never from a caller.
    counting = f"SELECT count(*) FROM requests{where}"  # noqa: S608 - as above
    (total,) = connection.execute(counting, values).fetchone()
    rows = connection.execute(
        f"{QUERIES['read_requests']}{where} "
        f"ORDER BY {by} {direction}, number {direction} LIMIT ? OFFSET ?",
        (*values, per_page, (page - 1) * per_page),
    )
    found = [_logged(row[1:], exchange) for row in rows]
    return Page(requests=found, page=page, per_page=per_page, total=total)


def read_sums(
    connection: sqlite3.Connection,
    *,
    filters: Filters,
    group_by: GroupBy | None,
    exchange: Exchange | None,
) -> Sequence[Sums]:
    """Return the sums of each group, the dearest first; days in their order.

    Raises:
        UsageError: there are no such groups.
    """
    group = _choice("group_by", group_by, _GROUPS)
    where, values = _where(filters)
    rows = connection.execute(
        f"SELECT {group}, {QUERIES['sum_requests']}{where} GROUP BY 1, 2",
        values,
    ).fetchall()
    groups: dict[str, list[Sequence[int]]] = {}
    for name, *numbers in rows:
        groups.setdefault(name, []).append([number or 0 for number in numbers])
    every = (_sums(name, days, exchange) for name, days in groups.items())
    sums = [each for each in every if each.requests or each.refused]
    if group_by == "day":
        return sorted(sums, key=lambda each: each.group)
    return sorted(sums, key=lambda each: (-each.debit_msat, each.group))


def _sums(name: str, days: Sequence[Sequence[int]], exchange: Exchange | None) -> Sums:
    micros = [_micros(day[8], day[0] * 86_400_000, exchange) for day in days]
    whole = [sum(column) for column in zip(*days, strict=True)]
    _, requests, refused, ok, failed, on_their_way, in_doubt, unknown, debit, held, *rest = whole
    inward, outward, cached, retries, latency, timed = rest
    return Sums(
        group=name,
        requests=requests,
        refused=refused,
        ok=ok,
        failed=failed,
        on_their_way=on_their_way,
        in_doubt=in_doubt,
        unknown_requests=unknown,
        debit_msat=debit,
        held_msat=held,
        micros=None if None in micros else sum(each or 0 for each in micros),
        input_tokens=inward,
        output_tokens=outward,
        cache_read_tokens=cached,
        retries=retries,
        mean_latency_ms=latency / timed if timed else None,
    )


def _where(filters: Filters) -> tuple[str, Sequence[object]]:
    conditions: list[str] = []
    values: list[object] = []
    for name, condition in _CONDITIONS.items():
        value = getattr(filters, name)
        if value is not None:
            conditions.append(condition)
            values.append(_state(value) if name == "state" else value)
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), values


def _state(name: str) -> int:
    if name not in STATES:
        raise UsageError(f"there is no state {name!r}", hint=f"it is one of {', '.join(STATES)}")
    return STATES.index(name)


def _choice(what: str, name: object, choices: Mapping[Any, str]) -> str:
    found = choices.get(name)
    if found is None:
        known = ", ".join(str(each) for each in choices if each is not None)
        raise UsageError(f"{what} cannot be {name!r}", hint=f"it is one of {known}")
    return found


def _logged(
    row: Sequence[object], exchange: Exchange | None, attempts: tuple[Attempt, ...] = ()
) -> Logged:
    values = dict(zip(_MEMBERS, row, strict=True))
    request, state, unknown = values.pop("id"), values.pop("state"), values.pop("unknown")
    tokens = {name: values.pop(name) for name in _TOKENS}
    debit, at_ms = values["debit_msat"], values["at_ms"]
    assert isinstance(request, bytes)
    assert isinstance(state, int)
    assert isinstance(debit, int)
    assert isinstance(at_ms, int)
    ended = state > IN_DOUBT
    return Logged(  # pyright: ignore[reportCallIssue]
        id=request.hex(),
        state=STATES[state],
        stream=bool(values.pop("stream")),
        cut_off=bool(values.pop("cut_off")),
        charged_msat=debit if ended and not unknown else None,
        micros=_micros(debit, at_ms, exchange),
        usage=Usage(**tokens),  # pyright: ignore[reportArgumentType]
        attempts=attempts,
        **values,  # pyright: ignore[reportArgumentType]
    )


_TOKENS = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens",
)  # fmt: skip
_MEMBERS = (
    "id", "at_ms", "state", "owner", "run_id", "key_id", "policy", "asked_model", "request_class",
    "stream", "asked_tier", "tier", "complexity", "reserved_msat", "held_msat", "debit_msat", "unknown",
    "quoted_msat", "outcome", "message", "provider", "model", "latency_ms", "first_byte_ms",
    "retries", "cut_off", *_TOKENS,
)  # fmt: skip
"""The columns of the queries `read_request` and `read_requests` after the number, in their order."""


def _attempt(row: Sequence[object]) -> Attempt:
    provider, model, outcome, quoted, charged, latency, first_byte, *tokens = row
    return Attempt(
        provider=provider,  # pyright: ignore[reportArgumentType]
        model=model,  # pyright: ignore[reportArgumentType]
        outcome=outcome,  # pyright: ignore[reportArgumentType]
        quoted_msat=quoted,  # pyright: ignore[reportArgumentType]
        charged_msat=charged,  # pyright: ignore[reportArgumentType]
        latency_ms=latency,  # pyright: ignore[reportArgumentType]
        first_byte_ms=first_byte,  # pyright: ignore[reportArgumentType]
        usage=Usage(**dict(zip(_TOKENS, tokens, strict=True))),  # pyright: ignore[reportArgumentType]
    )


def _micros(msat: int, at_ms: int, exchange: Exchange | None) -> int | None:
    if exchange is None:
        return None
    return exchange.both(Fraction(msat, 1000), SAT, at_ms * 1_000_000).micros
