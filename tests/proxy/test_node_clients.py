"""The official clients for Node take the proxy for the real thing: one process a client, for all cases."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from holdfast.testing.upstream import Act, Counts, Fault, Reply, ToolUse, Upstream
from tests.proxy.serving import provider, proxy_of
from tests.servers import aimock

KEY = "long-random-word"
COUNTS = Counts(input=12, output=7)
SAID = Reply(text="One and two are three.", counts=COUNTS)
USES = (ToolUse(id="c1", name="add", arguments='{"a":1,"b":2}'), ToolUse(id="c2", name="now"))
ACTS = {
    "said": Act(reply=SAID),
    "calls": Act(reply=Reply(text="Let me add.", calls=USES, counts=COUNTS)),
    "limited": Act(fault=Fault.RATE_LIMITED, retry_after="70"),
    "broken": Act(fault=Fault.RESET_MIDDLE, after=5, reply=SAID, paced=True),
}
"""What the provider of each model does."""


@pytest.fixture(scope="module")
def packages() -> Path:
    return aimock.packages()


async def seen_by(client: str, packages: Path, folder: Path, kind: str) -> Any:
    """Run all cases of a client against a proxy, and return what each saw, by its name."""
    async with AsyncExitStack() as stack:
        stack.enter_context(
            fail_after(120)
        )  # Node and its packages load for seconds on a busy machine
        ups = {m: await stack.enter_async_context(Upstream(default=a)) for m, a in ACTS.items()}
        configs = [provider(m, up, 1, kind=kind, models=(m,)) for m, up in ups.items()]
        proxy = await stack.enter_async_context(proxy_of(folder, configs, token=KEY))
        return await _run(client, packages, proxy.address, ups["broken"])


async def _run(client: str, packages: Path, address: str, broken: Upstream) -> Any:
    # A script that comes from standard input finds its packages in the working folder.
    running = await asyncio.create_subprocess_exec(
        *(aimock.node(), "--input-type=module", "-", address, KEY),
        cwd=packages,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert running.stdin is not None
    assert running.stdout is not None
    breaking = asyncio.ensure_future(_break_off(broken, running.stdout))
    try:
        running.stdin.write(Path(__file__).with_name("node").joinpath(f"{client}.mjs").read_bytes())
        running.stdin.close()
        # Whatever ends the process also ends its output: an error of a case is on the screen by then.
        said = await breaking
        assert await running.wait() == 0
        return json.loads(said)
    finally:
        breaking.cancel()
        if running.returncode is None:
            running.kill()
            await running.wait()


async def _break_off(broken: Upstream, output: asyncio.StreamReader) -> bytes:
    """Break a stream off once the client has seen its beginning; return the rest of its output."""

    async def begin() -> None:
        exchange = await broken.exchange(1)
        for _ in range(4):
            exchange.step()

    beginning = asyncio.ensure_future(begin())
    try:
        first = await output.readline()
        if first == b"begun\n":
            broken.exchanges[0].step()
            return await output.read()
        return first
    finally:
        beginning.cancel()


def is_failure(seen: Any, kind: str, status: int, said: str) -> bool:
    """Whether a client raised its own error, with the status, the words and the id of the request."""
    assert seen["kind"] == kind
    assert seen["status"] == status
    assert said in seen["message"]
    return len(seen["id"]) == 32


def compact(calls: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [[*names, arguments.replace(" ", "")] for *names, arguments in calls]


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_the_client_of_openai_for_node_is_served(packages, tmp_path, kind):
    seen = await seen_by("openai", packages, tmp_path, kind)
    whole = seen["whole"]
    assert (whole["text"], whole["finish"], whole["usage"]) == (SAID.text, "stop", 19)
    assert whole["id"] == whole["ours"]
    assert whole["cost"] == "19"
    assert seen["streamed"] == {"text": SAID.text, "usage": [19], "cost": 19}
    calls = [["c1", "add", '{"a":1,"b":2}'], ["c2", "now", "{}"]]
    tools = seen["tools"]
    assert (compact(tools["whole"]), compact(tools["streamed"])) == (calls, calls)
    assert (tools["finish"], tools["after"]) == (["tool_calls"] * 2, SAID.text)
    for each in seen["responses"]:
        assert (each["status"], each["text"], each["usage"]) == ("completed", "Let me add.", 19)
        assert compact(each["calls"]) == calls
    assert seen["models"] == sorted(ACTS)
    assert is_failure(seen["unknown"], "NotFoundError", 404, "no configured provider")
    assert is_failure(seen["stranger"], "AuthenticationError", 401, "token")
    assert is_failure(seen["limited"], "RateLimitError", 429, "limits the rate")
    assert seen["limited"]["after"] == "70"
    assert seen["broken"]["kind"] == "APIError"
    assert "broke the connection off" in seen["broken"]["message"]


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_the_client_of_anthropic_for_node_is_served(packages, tmp_path, kind):
    seen = await seen_by("anthropic", packages, tmp_path, kind)
    said = {"text": SAID.text, "uses": [], "stop": "end_turn", "usage": 7}
    whole = seen["whole"]
    assert whole.pop("id") == whole.pop("ours")
    assert whole.pop("cost") == "19"
    assert (whole, seen["streamed"]) == (said, said)
    uses = [["c1", "add", {"a": 1, "b": 2}], ["c2", "now", {}]]
    used = {"text": "Let me add.", "uses": uses, "stop": "tool_use", "usage": 7}
    assert seen["tools"] == {"whole": used, "streamed": used, "after": SAID.text}
    assert is_failure(seen["unknown"], "NotFoundError", 404, "no configured provider")
    assert seen["unknown"]["type"] == "not_found_error"
    assert is_failure(seen["stranger"], "AuthenticationError", 401, "token")
    assert is_failure(seen["limited"], "RateLimitError", 429, "limits the rate")
    assert (seen["limited"]["type"], seen["limited"]["after"]) == ("rate_limit_error", "70")
    assert "broke the connection off" in seen["broken"]["message"]
