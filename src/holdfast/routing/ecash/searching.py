"""Ask nodes and relays which nodes there are. What is found is shown, and paid only if somebody accepts it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import cast

from holdfast.clock import Clock
from holdfast.frozen import field, frozen
from holdfast.routing.ecash.finding import KIND, newest_events, read_announcement, read_providers
from holdfast.routing.ecash.records import FoundNode
from holdfast.routing.ecash.web import Unreachable, Web

_SECONDS = 10.0
_MOST_EVENTS = 500
_SUBSCRIPTION = "nodes"
_MOST_REASON = 200


@frozen
class Search:
    """Nodes that were told of, and a sentence for each place that could not be asked."""

    found: Sequence[FoundNode] = ()
    problems: Sequence[str] = field(default_factory=tuple[str, ...])


async def search(web: Web, nodes: Sequence[str], relays: Sequence[str], clock: Clock) -> Search:
    """Ask nodes, by their base addresses, and relays, all at once."""
    asked = [
        *(_ask_node(web, each, clock.now_ms()) for each in nodes),
        *(_ask_relay(web, each, clock) for each in relays),
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


async def _ask_relay(web: Web, url: str, clock: Clock) -> Search:
    """Return what a relay tells while it may; what came before it failed counts."""
    events: list[object] = []
    asking = asyncio.create_task(_collect(web, url, events))
    waiting = asyncio.create_task(clock.sleep(_SECONDS))
    try:
        await asyncio.wait({asking, waiting}, return_when=asyncio.FIRST_COMPLETED)
        problem = asking.result() if asking.done() else "it does not say in time that this is all"
    finally:
        asking.cancel()
        waiting.cancel()
        await asyncio.gather(asking, waiting, return_exceptions=True)
    told = newest_events(events, clock.now_ms())
    read = [read_announcement(event, url) for event in told]
    return Search(
        found=[each for each in read if each is not None],
        problems=[f"{url}: {problem}"] if problem else [],
    )


async def _collect(web: Web, url: str, events: list[object]) -> str:
    """Add the events that a relay has kept (NIP-01); return why these may not be all, if so."""
    asked = ["REQ", _SUBSCRIPTION, {"kinds": [KIND], "limit": _MOST_EVENTS}]
    try:
        async with aclosing(web.messages(url, asked)) as messages:
            async for message in messages:
                kind, name, told = [*_parts(message), None, None, None][:3]
                if kind == "EVENT" and name == _SUBSCRIPTION:
                    events.append(told)
                if (kind == "EOSE" and name == _SUBSCRIPTION) or len(events) >= _MOST_EVENTS:
                    return ""
                if kind == "CLOSED" and name == _SUBSCRIPTION:
                    return f"it does not want to tell{_reason(told)}"
    except Unreachable as error:
        return str(error)
    raise AssertionError("messages end by leaving or by an error")


def _parts(message: object) -> list[object]:
    return cast("list[object]", message) if isinstance(message, list) else []


def _reason(told: object) -> str:
    return f": {' '.join(told.split())[:_MOST_REASON]}" if isinstance(told, str) else ""
