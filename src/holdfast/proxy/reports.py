"""What was asked and spent, from the ledger: `/v1/stats` and `/v1/requests`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from holdfast.errors import UsageError
from holdfast.frozen import members_of
from holdfast.routing.dialects.seam import Document
from holdfast.routing.dispatching.dispatcher import Dispatcher
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.ledger.reports import Filters, SortBy
from holdfast.routing.seam import Usage
from holdfast.web.http import Refused

_RANGES: Final = {"last_1h": 3_600, "last_24h": 86_400, "last_7d": 604_800, "last_30d": 2_592_000}
_SORTS: Final[Mapping[str, SortBy]] = {
    "timestamp": "at",
    "cost_sats": "cost",
    "latency_ms": "latency",
    "tokens": "tokens",
}
_NAMES: Final = {
    "model": "model", "provider": "provider", "owner": "owner", "policy": "policy", "tier": "tier",
    "asked_tier": "asked_tier", "run": "run_id", "key": "key_id", "outcome": "outcome", "state": "state",
}  # fmt: skip
"""Parameters that name what requests must have, and what the ledger calls them."""
_SHARED: Final = frozenset({*_NAMES, "range", "since", "until", "streaming", "success"})
_STATS: Final = _SHARED | {"group_by"}
_REQUESTS: Final = _SHARED | {"page", "per_page", "sort", "order"}


class Reports:
    """Answers questions about what was asked."""

    def __init__(self, ledger: Ledger, dispatcher: Dispatcher) -> None:
        self._ledger = ledger
        self._dispatcher = dispatcher

    async def stats(self, query: Mapping[str, str]) -> Document:
        """Return sums: `range` or `since` and `until`, filters, `group_by`.

        Raises:
            Refused: 400 for a parameter that is none, 404 for a model or a provider that nobody knows.
        """
        filters = self._filters(query, _STATS)
        await self._check_known(filters)
        try:
            groups = await self._ledger.stats(
                filters, group_by=cast("Any", query.get("group_by", "").replace("-", "_") or None)
            )
        except UsageError as error:
            raise Refused(400, f"{error.message}; {error.hint}") from error
        return {
            "since_ms": filters.since_ms,
            "until_ms": filters.until_ms,
            "currency": self._ledger.currency or None,
            "groups": [_plain(each) for each in groups],
        }

    async def requests(self, query: Mapping[str, str]) -> Document:
        """Return a page: `page`, `per_page`, `sort`, `order` and filters.

        Raises:
            Refused: as above.
        """
        filters = self._filters(query, _REQUESTS)
        sort = query.get("sort", "timestamp")
        if sort not in _SORTS:
            raise Refused(400, f"sort must be one of {', '.join(_SORTS)}, not {sort!r}")
        try:
            page = await self._ledger.requests(
                _whole(query, "page", 1),
                _whole(query, "per_page", 20),
                sort=_SORTS[sort],
                order=cast("Any", query.get("order", "desc")),
                filters=filters,
            )
        except UsageError as error:
            raise Refused(400, f"{error.message}; {error.hint}") from error
        return {
            "page": page.page,
            "per_page": page.per_page,
            "total": page.total,
            "currency": self._ledger.currency or None,
            "requests": [_plain(each) for each in page.requests],
        }

    def _filters(self, query: Mapping[str, str], known: frozenset[str]) -> Filters:
        if unknown := sorted(query.keys() - known):
            raise Refused(
                400, f"unknown parameter {unknown[0]!r}; known: {', '.join(sorted(known))}"
            )
        since_ms, until_ms = self._range(query)
        named = {member: query.get(name) for name, member in _NAMES.items()}
        return Filters(
            since_ms=since_ms,
            until_ms=until_ms,
            stream=_truth(query, "streaming"),
            success=_truth(query, "success"),
            **cast("dict[str, Any]", named),
        )

    async def _check_known(self, filters: Filters) -> None:
        """Refuse the name of a model or a provider that is neither configured nor logged."""
        model, provider = filters.model, filters.provider
        if model and model not in self._models() and not await self._ledger.knows(model=model):
            raise Refused(
                404, f"the model {model!r} is neither configured nor was it ever asked for"
            )
        providers = self._dispatcher.providers
        if (
            provider
            and provider not in providers
            and not await self._ledger.knows(provider=provider)
        ):
            raise Refused(
                404, f"the provider {provider!r} is neither configured nor did it ever serve"
            )

    def _models(self) -> set[str]:
        return {name for each in self._dispatcher.providers.values() for name in each.models()}

    def _range(self, query: Mapping[str, str]) -> tuple[int, int | None]:
        named = query.get("range", "last_7d")
        if named not in _RANGES:
            raise Refused(400, f"range must be one of {', '.join(_RANGES)}, not {named!r}")
        since, until = _moment(query, "since"), _moment(query, "until")
        if since is None:
            since = (until or self._dispatcher.clock.now_ms()) - _RANGES[named] * 1000
        if until is not None and since >= until:
            raise Refused(400, "until must be after since")
        return since, until


def _moment(query: Mapping[str, str], name: str) -> int | None:
    said = query.get(name)
    if said is None:
        return None
    try:
        moment = datetime.fromisoformat(said.replace(" ", "+"))  # a plus sign decodes to a space
    except ValueError:
        raise Refused(400, f"{name} must be a time such as 2026-11-26T08:00:00Z") from None
    if moment.tzinfo is None:
        raise Refused(400, f"{name} must say its time zone, as 2026-11-26T08:00:00Z does")
    return round(moment.timestamp() * 1000)


def _truth(query: Mapping[str, str], name: str) -> bool | None:
    said = query.get(name)
    if said not in (None, "true", "false"):
        raise Refused(400, f"{name} must be true or false")
    return None if said is None else said == "true"


def _whole(query: Mapping[str, str], name: str, otherwise: int) -> int:
    said = query.get(name)
    if said is None:
        return otherwise
    if not (said.isascii() and said.isdecimal() and len(said) < 10):
        raise Refused(400, f"{name} must be a whole number")
    return int(said)


def _plain(record: object) -> Document:
    """Return a record of the ledger as JSON has it, without members that only the file needs."""
    told: Document = {}
    for name in (member.name for member in members_of(type(record))):
        value = cast("object", getattr(record, name))
        if isinstance(value, Usage):
            told["usage"] = _plain(value)
        elif name == "micros":
            told["cost_in_currency"] = None if value is None else cast("int", value) / 1_000_000
        elif name != "attempts":
            told[name] = value
    debit = told.get("debit_msat")
    return told | ({"cost_sats": debit / 1000} if isinstance(debit, int) else {})
