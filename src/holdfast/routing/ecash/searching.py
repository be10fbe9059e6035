"""Ask nodes and relays which nodes there are. What is found is shown, and paid only if somebody accepts it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import cast

from holdfast.frozen import field, frozen
from holdfast.routing.ecash.finding import KIND, newest_events, read_announcement, read_providers
from holdfast.routing.ecash.records import FoundNode
from holdfast.routing.ecash.web import Unreachable, Web

_SECONDS = 10.0
_MOST_EVENTS = 500
_SUBSCRIPTION = "nodes"


@frozen
class Search:
    """Nodes that were told of, and a sentence for each place that could not be asked."""

    found: Sequence[FoundNode] = ()
    problems: Sequence[str] = field(default_factory=tuple[str, ...])


async def search(web: Web, nodes: Sequence[str], relays: Sequence[str], now_ms: int) -> Search:
    """Ask nodes, by their base addresses, and relays, all at once."""
    asked = [
        *(_ask_node(web, each, now_ms) for each in nodes),
        *(_ask_relay(web, each) for each in relays),
    ]
    answers = await asyncio.gather(*asked)
    return Search(
        found=[each for answer in answers for each in answer.found],
        problems=[each for answer in answers for each in answer.problems],
    )


async def _ask_node(web: Web, base: str, now_ms: int) -> Search:
    try:
        reply = await web.ask(f"{base.rstrip('/')}/providers/")
    except Unreachable as error:
        return Search(problems=[f"{base}: {error}"])
    if reply.status != 200:
        return Search(problems=[f"{base}: it lists no nodes (HTTP {reply.status})"])
    return Search(found=read_providers(reply.body, base, now_ms))


async def _ask_relay(web: Web, url: str) -> Search:
    try:
        async with asyncio.timeout(_SECONDS):
            events = await _events(web, url)
    except TimeoutError:
        return Search(problems=[f"{url}: it does not answer in time"])
    except Unreachable as error:
        return Search(problems=[f"{url}: {error}"])
    read = [read_announcement(event, url) for event in newest_events(events)]
    return Search(found=[each for each in read if each is not None])


async def _events(web: Web, url: str) -> list[object]:
    """Return the events that a relay has kept (NIP-01)."""
    asked = ["REQ", _SUBSCRIPTION, {"kinds": [KIND], "limit": _MOST_EVENTS}]
    events: list[object] = []
    async with aclosing(web.messages(url, asked)) as messages:
        async for message in messages:
            parts = _parts(message)
            kind, name = [*parts, None, None][:2]
            if name == _SUBSCRIPTION and kind == "EVENT":
                events += parts[2:3]
            elif name == _SUBSCRIPTION and kind in ("EOSE", "CLOSED"):
                break
            if len(events) > _MOST_EVENTS:
                break
    return events


def _parts(message: object) -> list[object]:
    return cast("list[object]", message) if isinstance(message, list) else []
