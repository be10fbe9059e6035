"""Every way in which a provider may fail, streamed or not, as clients of every format see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.routing.ledger.entries import OK
from holdfast.testing.upstream import Act, Fault, Reply, ToolUse, Upstream
from tests.leaping import let_leap, outwait
from tests.proxy.serving import PATHS, Proxy, Seen, provider, proxy_of, request

FIRST, SECOND = "First says one two three.", "Second says four five six."
REFUSED = "refused"
FAULTS: dict[str, tuple[Fault | None, str | None, str]] = {
    REFUSED: (None, None, "connect"),
    "reset before": (Fault.RESET_BEFORE, None, "first_byte"),
    "reset in the middle": (Fault.RESET_MIDDLE, None, "truncated"),
    "no first byte": (Fault.HANG, None, "first_byte"),
    "stall": (Fault.STALL, None, "idle"),
    "429": (Fault.RATE_LIMITED, None, "rate_limit"),
    "429 with retry-after": (Fault.RATE_LIMITED, "7", "rate_limit"),
    "500": (Fault.SERVER_ERROR, None, "server"),
    "401": (Fault.UNAUTHORISED, None, "auth"),
    "402": (Fault.UNPAID, None, "payment"),
    "error in a 200": (Fault.ERROR_IN_BODY, None, "in_band"),
    "malformed": (Fault.MALFORMED, None, "malformed"),
    "cut": (Fault.CUT, None, "truncated"),
    "wrong content type": (Fault.WRONG_TYPE, None, "malformed"),
}
"""The fault, the `Retry-After`, and how the ledger calls it."""
MIDDLE = ("reset in the middle", "stall", "error in a 200", "malformed", "cut")
"""Faults that may come after the first token of a stream."""
SILENCES = ("no first byte", "stall")
"""Faults that only the end of a wait shows."""
EVENTS = {"openai": 7, "anthropic": 9}
"""How many events a stream of four pieces has before its end mark, by the provider's format."""
BEFORE = {"openai": 1, "anthropic": 3}
"""After how many events no token has come yet."""

SILENT = 10.0
"""Seconds of silence after which the first provider is given up."""

every_path = pytest.mark.parametrize("path", PATHS)
every_kind = pytest.mark.parametrize("kind", list(EVENTS))


@asynccontextmanager
async def pair(folder: Path, act: Act, *, kind: str) -> AsyncIterator[Pair]:
    """Serve a cheap provider that does as told, and a dear one that is well."""
    let_leap()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Upstream(default=act))
        second = await stack.enter_async_context(Upstream(default=Act(reply=Reply(text=SECOND))))
        # A stall is waited for in no time, see `outwait`: an answer that has not begun is waited for longer.
        patience = {Fault.STALL: 10_000.0, Fault.HANG: SILENT}.get(act.fault, 60.0)
        configs = [
            provider("first", first, 1, kind=kind, patience=patience, idle=SILENT),
            provider("second", second, 9, patience=10_000.0),
        ]
        proxy = await stack.enter_async_context(proxy_of(folder, configs))
        yield Pair(proxy, first, second)


class Pair:
    def __init__(self, proxy: Proxy, first: Upstream, second: Upstream) -> None:
        self.proxy = proxy
        self.first = first
        self.second = second

    @property
    def asked(self) -> tuple[int, int]:
        return len(self.first.exchanges), len(self.second.exchanges)

    async def outwait(self, asking: Awaitable[Seen]) -> Seen:
        """Return the answer; the first provider is silent, and nobody waits for that in earnest."""
        seen = asyncio.ensure_future(asking)
        await outwait(await self.first.exchange(1), SILENT + 1)
        return await seen


def act_of(name: str, after: int) -> Act:
    fault, retry_after, _ = FAULTS[name]
    return Act(fault=fault, retry_after=retry_after, after=after, reply=Reply(text=FIRST))


def outcome_of(name: str, *, stream: bool) -> str:
    # A document without a length that ends in the middle is broken JSON: nobody can tell why.
    return "malformed" if name == "cut" and not stream else FAULTS[name][2]


@pytest.mark.promise("no-half-answer-is-whole")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", list(FAULTS))
@every_kind
@every_path
async def test_what_fails_before_the_first_token_is_answered_whole_by_another(
    tmp_path: Path, path: str, kind: str, name: str, stream: bool
) -> None:
    act = act_of(name, BEFORE[kind])
    async with pair(tmp_path, act, kind=kind) as both:
        if name == REFUSED:
            await both.first.refuse()
        asking = both.proxy.ask(path, request(path, stream=stream))
        seen = await (both.outwait(asking) if name in SILENCES else asking)
        assert (seen.status, seen.streamed) == (200, stream)
        assert (seen.text, seen.says_done, seen.says_error) == (SECOND, True, False)
        assert seen.headers["x-holdfast-provider"] == "second"
        assert seen.headers["x-holdfast-retries"] == "1/first"
        assert both.asked == (0 if name == REFUSED else 1, 1)
        [row] = await both.proxy.logged()
        attempts = [(each.provider, each.outcome) for each in row.attempts]
        assert attempts == [("first", outcome_of(name, stream=stream)), ("second", OK)]
        assert (row.id, row.outcome, row.provider, row.stream) == (
            seen.headers["x-holdfast-request-id"], OK, "second", stream,
        )  # fmt: skip
        assert await both.proxy.ledger.check() == []


@pytest.mark.promise("no-half-answer-is-whole")
@pytest.mark.parametrize("name", MIDDLE)
@every_kind
@every_path
async def test_a_stream_that_fails_after_its_first_token_says_so_and_is_not_begun_again(
    tmp_path: Path, path: str, kind: str, name: str
) -> None:
    tokens = BEFORE[kind] + 1
    act = replace(act_of(name, tokens + 1), paced=True)
    async with pair(tmp_path, act, kind=kind) as both:
        go_on = asyncio.Event()
        asking = asyncio.ensure_future(both.proxy.follow(path, request(path, stream=True), go_on))
        exchange = await both.first.exchange(1)
        for _ in range(tokens):
            exchange.step()
        await go_on.wait()
        exchange.step()
        seen = await (both.outwait(asking) if name in SILENCES else asking)
        assert (seen.status, seen.says_done, seen.says_error) == (200, False, True)
        assert seen.text
        assert FIRST.startswith(seen.text)
        assert both.asked == (1, 0)
        [row] = await both.proxy.logged()
        outcome = FAULTS[name][2]
        assert [(each.provider, each.outcome) for each in row.attempts] == [("first", outcome)]
        assert row.outcome == outcome
        assert await both.proxy.ledger.check() == []


@pytest.mark.promise("no-half-answer-is-whole")
@pytest.mark.parametrize("name", MIDDLE)
@every_kind
@every_path
async def test_what_fails_behind_the_last_token_is_a_whole_answer(
    tmp_path: Path, path: str, kind: str, name: str
) -> None:
    act = act_of(name, EVENTS[kind])
    async with pair(tmp_path, act, kind=kind) as both:
        asking = both.proxy.ask(path, request(path, stream=True))
        seen = await (both.outwait(asking) if name in SILENCES else asking)
        assert (seen.text, seen.says_done, seen.says_error) == (FIRST, True, False)
        assert both.asked == (1, 0)
        [row] = await both.proxy.logged()
        assert [(each.provider, each.outcome) for each in row.attempts] == [("first", OK)]


async def test_an_answer_that_the_format_cannot_say_is_paid_for_and_another_is_asked(
    tmp_path: Path,
) -> None:
    path = "/v1/messages"
    broken = Reply(text="", calls=(ToolUse(id="c1", name="add", arguments='{"a":'),))
    async with pair(tmp_path, Act(reply=broken), kind="openai") as both:
        seen = await both.proxy.ask(path, request(path, stream=False))
        assert (seen.status, seen.text) == (200, SECOND)
        assert both.asked == (1, 1)
        [row] = await both.proxy.logged()
        assert [(each.provider, each.outcome) for each in row.attempts] == [
            ("first", OK), ("second", OK),
        ]  # fmt: skip
        assert (row.provider, row.debit_msat) == ("second", 15 * 1 + 15 * 9)
        assert await both.proxy.ledger.check() == []
