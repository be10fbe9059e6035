"""What the official clients of OpenAI and Anthropic raise for each way to fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from anyio import fail_after

from holdfast.clock import SystemClock
from holdfast.proxy.limits import RateLimit
from holdfast.routing.config import Budgets, RoutingConfig
from holdfast.testing.upstream import Act, Fault, Upstream
from tests.proxy.serving import Proxy, provider, proxy_of

ASK: list[Any] = [{"role": "user", "content": "Add one to two"}]
TOKEN = "long-random-word"
AS_5XX = ("ServiceUnavailableError", "GatewayTimeoutError", "DeadlineExceededError")
"""What one client has classes of its own for, and the other calls InternalServerError."""


@dataclass
class Clients:
    """A proxy, and a client of each kind."""

    proxy: Proxy
    upstream: Upstream
    chat: openai.AsyncOpenAI
    messages: anthropic.AsyncAnthropic

    def ways(self, **fields: Any) -> list[Callable[[], Any]]:
        """Return how each client asks, in each of its formats."""
        asked: dict[str, Any] = {"model": "m"} | fields
        chat, messages = self.chat, self.messages
        return [
            lambda: chat.chat.completions.create(messages=ASK, **asked),
            lambda: chat.responses.create(input="Add", store=False, **asked),
            lambda: messages.messages.create(messages=ASK, max_tokens=5, **asked),
        ]


@pytest.fixture
async def serve(
    tmp_path: Path,
) -> AsyncIterator[Callable[..., Any]]:
    """Return what serves one provider behind a proxy with two clients."""
    async with AsyncExitStack() as stack:
        stack.enter_context(fail_after(100))  # the first use of a client imports for seconds

        async def begin(act: Act, *, token: str = TOKEN, **options: Any) -> Clients:
            upstream = await stack.enter_async_context(Upstream(default=act))
            only = provider("only", upstream, 1, patience=options.pop("patience", 60.0))
            running = proxy_of(tmp_path, [only], token=TOKEN, **options)
            proxy = await stack.enter_async_context(running)
            chat = openai.AsyncOpenAI(base_url=f"{proxy.address}/v1", api_key=token, max_retries=0)
            messages = anthropic.AsyncAnthropic(
                base_url=proxy.address, api_key=token, max_retries=0
            )
            await stack.enter_async_context(chat)
            await stack.enter_async_context(messages)
            return Clients(proxy, upstream, chat, messages)

        yield begin


async def failures(ways: list[Callable[[], Any]]) -> list[tuple[str, int, Any]]:
    """Return the name of the class, the status and the error itself of each way to ask."""
    found: list[tuple[str, int, Any]] = []
    for ask in ways:
        with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as caught:
            await ask()
        error: Any = caught.value
        assert error.request_id == error.response.headers["x-holdfast-request-id"]
        assert error.body["error" if isinstance(error, anthropic.APIError) else "message"]
        found.append((type(error).__name__, error.status_code, error))
    return found


def kinds(found: list[tuple[str, int, Any]]) -> set[tuple[str, int]]:
    return {(name, status) for name, status, _ in found}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("fault", "name", "status"),
    [
        (Fault.SERVER_ERROR, "InternalServerError", 503),
        (Fault.RATE_LIMITED, "RateLimitError", 429),
        (Fault.UNAUTHORISED, "InternalServerError", 502),
        (Fault.UNPAID, "InternalServerError", 502),
        (Fault.WRONG_TYPE, "InternalServerError", 502),
        (Fault.RESET_BEFORE, "InternalServerError", 504),
    ],
)
async def test_what_fails_at_the_provider(
    serve: Callable[..., Any], fault: Fault, name: str, status: int, stream: bool
) -> None:
    clients = await serve(Act(fault=fault, retry_after="7"))
    found: list[tuple[str, int, Any]] = []
    for ask in clients.ways(stream=stream):
        clients.proxy.forget()
        found += await failures([ask])
    assert {(name if each in AS_5XX else each, code) for each, code, _ in found} == {(name, status)}
    for _, _, error in found:
        # The provider's own key and account are not the client's, which cannot mend them.
        waits = "7" if status in (429, 503) else None
        assert error.response.headers.get("retry-after") == waits


async def test_a_provider_that_does_not_begin(serve: Callable[..., Any]) -> None:
    clients = await serve(Act(fault=Fault.HANG), patience=0.1)
    assert {status for _, status, _ in await failures(clients.ways())} == {504}


async def test_a_provider_that_is_not_there(serve: Callable[..., Any]) -> None:
    clients = await serve(Act())
    await clients.upstream.refuse()
    found = await failures(clients.ways())
    assert kinds(found) == {("InternalServerError", 502)}
    assert all("cannot be reached" in str(error) for _, _, error in found)


async def test_what_the_client_did_wrong(serve: Callable[..., Any]) -> None:
    clients = await serve(Act())
    unknown = await failures(clients.ways(model="mm"))
    assert kinds(unknown) == {("NotFoundError", 404)}
    assert all("did you mean 'm'?" in str(error) for _, _, error in unknown)
    wrong = await failures(clients.ways(extra_body={"stream": "yes"}))
    assert kinds(wrong) == {("BadRequestError", 400)}
    assert [getattr(error, "param", None) for _, _, error in wrong] == ["stream", "stream", None]
    assert all(str(error).count("stream: must be true or false") == 1 for _, _, error in wrong)
    foreign = await failures(clients.ways(extra_headers={"Origin": "http://evil.test"}))
    assert kinds(foreign) == {("PermissionDeniedError", 403)}
    longs = await failures(clients.ways(extra_body={"more": "x" * (65 << 20)}))
    assert {status for _, status, _ in longs} == {413}
    assert all("64 MiB" in str(error) for _, _, error in longs)
    assert clients.upstream.exchanges == []


async def test_a_wrong_token(serve: Callable[..., Any]) -> None:
    clients = await serve(Act(), token="wrong")
    assert kinds(await failures(clients.ways())) == {("AuthenticationError", 401)}


async def test_too_many_requests(serve: Callable[..., Any]) -> None:
    clients = await serve(Act(), limit=RateLimit(1, SystemClock()))
    await clients.ways()[0]()
    found = await failures(clients.ways())
    assert kinds(found) == {("RateLimitError", 429)}
    assert all(int(error.response.headers["retry-after"]) > 0 for _, _, error in found)


async def test_a_budget_that_is_spent(serve: Callable[..., Any]) -> None:
    clients = await serve(Act(), routing=RoutingConfig(budgets=Budgets(total_msat=1)))
    found = await failures(clients.ways())
    assert kinds(found) == {("APIStatusError", 402), ("PaymentRequiredError", 402)}
    assert all("raise the budget" in str(error) for _, _, error in found)
    types = [getattr(error, "type", None) for _, _, error in found]
    assert types == ["insufficient_quota", "insufficient_quota", "billing_error"]
    assert clients.upstream.exchanges == []


async def test_the_last_event_of_each_stream_says_what_it_cost(serve: Callable[..., Any]) -> None:
    clients = await serve(Act())
    chat, responses, messages = clients.ways(stream=True)
    reports = []
    for ask in (chat, responses, messages):
        last = [event async for event in await ask()][-1]
        reports.append((last.model_extra or {}).get("holdfast"))
    logged = await clients.proxy.settled(3)
    assert [each["request_id"] for each in reports] == [row.id for row in logged]
    assert [(each["provider"], each["cost_msat"]) for each in reports] == [("only", 15)] * 3
