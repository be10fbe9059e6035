"""Paying a node by the commands that a user types, with money of a real mint."""

from __future__ import annotations

import json
from asyncio import timeout, to_thread
from signal import SIGINT

import pytest

from tests.journeys.cli import Done, Project, stop
from tests.journeys.test_route_command import CHAT, ask, proxied
from tests.servers.routstr import Node, routstr_node

pytestmark = pytest.mark.service
SETTINGS = """
[wallet]
mints = ["{mint}"]
[providers.desk]
kind = "routstr"
base_url = "{node}"
topup_sats = 50
limit_sats = 200
"""


async def filled(project: Project, mint: str, node: Node, sats: int = 500) -> None:
    """Configure the node, and fill the wallet."""
    project.write("holdfast.toml", SETTINGS.format(mint=mint, node=node.url))
    assert f"{sats} sat came in" in (await run(project, "invoice", str(sats))).out


async def run(project: Project, *words: str) -> Done:
    """Run a verb of the wallet, while the node goes on answering."""
    return await to_thread(project.run, "wallet", *words)


async def test_money_goes_to_a_node_by_hand_and_comes_back(project, tmp_path, mint):
    async with routstr_node(mint.url, tmp_path) as node:
        await filled(project, mint.url, node)
        nothing = await run(project, "refund", "desk")
        assert (nothing.code, "there is no balance at node 'desk'" in nothing.err) == (2, True)
        assert (await run(project, "topup", "desk")).out == "node desk has 49 sat of yours now\n"
        more = await run(project, "topup", "desk", "100", "--json")
        assert more.data == {"node": "desk", "balance_msat": 148_000}
        over = await run(project, "topup", "desk", "100")
        assert (over.code, "may have 200 sat at most: it has 148 sat" in over.err) == (2, True)
        assert "limit_sats of [providers.desk]" in over.err
        (account,) = node.accounts.values()
        account.msat -= 500  # a rest of less than a sat
        assert "147 sat are back" in (await run(project, "refund", "desk")).out
        told = (await run(project, "balance", "--json")).data
        assert 500 - 10 < told["sats"] < 500
        assert (
            await run(project, "check")
        ).out == "problem: node 'desk' took 0.5 sat more than it charged for\n"


async def test_ctrl_c_in_a_top_up_loses_nothing(project, tmp_path, mint):
    async with routstr_node(mint.url, tmp_path) as node:
        await filled(project, mint.url, node)
        node.holds = {"/v1/balance/create"}
        waiting = project.start("wallet", "topup", "desk", "60")
        async with timeout(60):
            await node.holding.wait()
        done = await to_thread(stop, waiting, SIGINT)
        assert (done.code, done.out, "Traceback" in done.err) == (130, "", False)
        assert "finished by: holdfast wallet check" in done.err
        assert "60 sat on its way" in (await run(project, "balance")).out
        node.holds = set()
        assert (await run(project, "check")).out == "everything adds up\n"
        assert "59 sat at node desk" in (await run(project, "balance")).out
        assert "59 sat are back" in (await run(project, "refund", "desk")).out


async def test_a_stream_through_the_proxy_is_paid_from_the_balance(project, tmp_path, mint):
    async with routstr_node(mint.url, tmp_path) as node:
        await filled(project, mint.url, node)
        with proxied(project) as (address, process):
            status, headers, text = await to_thread(ask, address, {**CHAT, "stream": True})
            await to_thread(stop, process, SIGINT)  # it writes its books
        assert (status, headers["content-type"].split(";")[0]) == (200, "text/event-stream")
        *events, end = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
        chunks = [json.loads(each) for each in events]
        assert end == "[DONE]"
        said = [c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]]
        assert "".join(said) == "Hello."
        assert node.charges == [184]
        (group,) = (await to_thread(project.run, "route", "stats", "--json")).data["groups"]
        assert (group["ok"], group["debit_msat"]) == (1, 184)
        assert (await run(project, "check")).out == "everything adds up\n"
        (row,) = (await run(project, "balance", "--json")).data["nodes"]
        assert (row["node_msat"], row["spent_msat"], row["lost_msat"]) == (49_000 - 184, 184, 0)


async def test_money_at_a_node_that_is_not_to_be_paid_any_more_comes_back(project, tmp_path, mint):
    async with routstr_node(mint.url, tmp_path) as node:
        await filled(project, mint.url, node)
        await run(project, "topup", "desk", "40")
        project.write("holdfast.toml", f'[wallet]\nmints = ["{mint.url}"]\n')
        refused = await run(project, "topup", "desk")
        assert (refused.code, "there is no node 'desk'" in refused.err) == (2, True)
        assert "39 sat are back" in (await run(project, "refund", "desk")).out
        assert "there is no node 'desk'" in (await run(project, "refund", "desk")).err


async def test_a_balance_that_the_node_forgot_is_given_up_by_hand(project, tmp_path, mint):
    async with routstr_node(mint.url, tmp_path) as node:
        await filled(project, mint.url, node)
        await run(project, "topup", "desk", "40")
        node.accounts.clear()
        for words in (("topup", "desk"), ("refund", "desk")):
            done = await run(project, *words)
            assert (done.code, done.out) == (5, "")
            assert "does not know the key of your balance there any more" in done.err
            assert "holdfast wallet refund desk --give-up" in done.err
        given_up = await run(project, "refund", "desk", "--give-up")
        assert given_up.out == "39 sat at node desk are lost\n"
        assert "39 sat lost" in (await run(project, "balance")).out
        assert (await run(project, "check")).out == "everything adds up\n"
        assert (await run(project, "topup", "desk", "40")).code == 0
