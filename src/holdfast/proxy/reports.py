"""What was asked and spent, from the ledger: `/v1/stats` and `/v1/requests`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from holdfast.clock import Clock
from holdfast.errors import UsageError
from holdfast.frozen import members_of
from holdfast.routing.dialects.seam import Document
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.ledger.reports import Filters
from holdfast.routing.seam import Usage
from holdfast.web.http import Refused

_RANGES: Final = {"last_1h": 3_600, "last_24h": 86_400, "last_7d": 604_800, "last_30d": 2_592_000}
_SORTS: Final = {"timestamp": "at", "cost_sats": "cost", "latency_ms": "latency"}


class Reports:
    """Answers questions about what was asked."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def stats(self, query: Mapping[str, str]) -> Document:
        """Return sums: `range` or `since` and `until`, `model`, `provider`, `group_by`.

        Raises:
            Refused: 400 for a parameter that is none.
        """
        since_ms, until_ms = self._range(query)
        try:
            groups = await self._ledger.stats(
                since_ms,
                until_ms,
                model=query.get("model"),
                provider=query.get("provider"),
                group_by=cast("Any", query.get("group_by")),
            )
        except UsageError as error:
            raise Refused(400, f"{error.message}; {error.hint}") from error
        return {
            "since_ms": since_ms,
            "until_ms": until_ms,
            "groups": [_plain(each) for each in groups],
        }

    async def requests(self, query: Mapping[str, str]) -> Document:
        """Return a page: `page`, `per_page`, `sort`, `order` and filters.

        Raises:
            Refused: as above.
        """
        since_ms, until_ms = self._range(query)
        filters = Filters(
            since_ms=since_ms,
            until_ms=until_ms,
            model=query.get("model"),
            provider=query.get("provider"),
            owner=query.get("owner"),
            policy=query.get("policy"),
            stream=_truth(query, "streaming"),
            success=_truth(query, "success"),
        )
        sort = query.get("sort", "timestamp")
        try:
            page = await self._ledger.requests(
                _whole(query, "page", 1),
                _whole(query, "per_page", 20),
                sort=cast("Any", _SORTS.get(sort, sort)),
                order=cast("Any", query.get("order", "desc")),
                filters=filters,
            )
        except UsageError as error:
            raise Refused(400, f"{error.message}; {error.hint}") from error
        return {
            "page": page.page,
            "per_page": page.per_page,
            "total": page.total,
            "requests": [_plain(each) for each in page.requests],
        }

    def _range(self, query: Mapping[str, str]) -> tuple[int, int | None]:
        named = query.get("range", "last_7d")
        if named not in _RANGES:
            raise Refused(400, f"range must be one of {', '.join(_RANGES)}, not {named!r}")
        since = _moment(query, "since")
        if since is None:
            since = self._clock.now_ms() - _RANGES[named] * 1000
        return since, _moment(query, "until")


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
        elif name not in ("attempts", "micros"):
            told[name] = value
    return told
