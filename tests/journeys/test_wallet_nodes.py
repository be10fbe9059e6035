"""`holdfast wallet nodes --search`: a relay and nodes of others are asked, and little of it is believed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.journeys.cli import Project
from tests.servers.nostr import NostrRelay, announcement
from tests.servers.process import free_port

pytestmark = pytest.mark.service
NOW = int(time.time())
OTHER_KIND = 38422


def project_of(folder: Path, *relays: str) -> Project:
    made = Project(folder)
    named = ", ".join(f'"{each}"' for each in relays)
    made.write("holdfast.toml", f'[wallet]\nmints = ["https://m.example"]\nrelays = [{named}]\n')
    return made


def nodes(project: Project, author: str = "") -> dict[str, dict[str, object]]:
    """Search by the command, and return what was found by address: the relay is shared with others."""
    found = project.run("wallet", "nodes", "--search", "--json").data
    assert found["problems"] == []
    return {each["url"]: each for each in found["nodes"] if each["author"] == author or not author}


async def test_a_node_that_announces_itself_is_found_and_paid_only_once_it_is_accepted(
    tmp_path, relay: NostrRelay
):
    said = announcement(
        101, NOW, "http://dark.onion", "https://desk.example", "https://second.example",
        content='{"name": "Désk\\u001b[31m", "about": "sells words"}',
        tags=[["mint", "https://m.example/"], ["version", "0.4.5"]],
    )  # fmt: skip
    assert await relay.publish(said) == [True]
    project = project_of(tmp_path, relay.url)
    url = "https://desk.example/v1"
    assert nodes(project)[url] == {
        "url": url, "name": "Désk[31m", "mints": ["https://m.example"], "author": said["pubkey"],
        "source": relay.url, "version": "0.4.5",
        "provider": None, "topup_sats": None, "limit_sats": None,
    }  # fmt: skip
    assert "desk" not in project.run("route", "providers").out
    project.run("wallet", "accept", url, "--name", "desk", "--limit", "300")
    assert "desk" in project.run("route", "providers").out
    # What a person decided outlasts whatever is said later.
    await relay.publish(announcement(101, NOW + 5, "https://desk.example"))
    project.run("wallet", "nodes", "--search")
    (kept,) = [e for e in project.run("wallet", "nodes", "--json").data["nodes"] if e["provider"]]
    assert (kept["url"], kept["limit_sats"], kept["name"]) == (url, 300, "unnamed")


async def test_nothing_that_is_forged_or_dangerous_is_shown(tmp_path, relay: NostrRelay):
    other = announcement(103, NOW, "https://b.example")
    lies = [
        announcement(102, NOW, "https://a1.example", place="1", sig="00" * 64),
        announcement(102, NOW, "https://a2.example", place="2", id="ab" * 32),
        announcement(102, NOW, "https://a3.example", place="3", pubkey=other["pubkey"]),
        announcement(102, NOW, "https://a4.example", place="4", content="{}") | {"content": "[]"},
        announcement(102, NOW, "https://a5.example", place="5", kind=OTHER_KIND),
        announcement(102, NOW + 90_000, "https://a6.example", place="6"),
        announcement(102, NOW, "http://a7.example", place="7"),
        announcement(102, NOW, "https://good.example@a8.example", place="8"),
        announcement(102, NOW, "ftp://a9.example", "https://a9.example:0", place="9"),
        announcement(
            102, NOW, "https://a10.example\x1b[2J", "https://a1\u0430.example", place="10"
        ),
        announcement(102, NOW, place="11"),
    ]
    kept = await relay.publish(*lies)
    assert sum(kept) >= len(lies) - 1  # one that is kept by its number
    giant = announcement(
        102, NOW, "https://big.example", content='{"name": "' + "x" * 90_000 + '"}'
    )
    assert await relay.publish(giant, giant) == [True, False]
    found = nodes(project_of(tmp_path, relay.url), author=str(giant["pubkey"]))
    assert list(found) == ["https://big.example/v1"]
    assert found["https://big.example/v1"]["name"] == "x" * 200


async def test_the_newest_word_of_an_author_counts_in_whatever_order_it_comes(
    tmp_path, relay: NostrRelay
):
    await relay.publish(
        announcement(104, NOW - 50, "https://c.example", content='{"name": "new"}'),
        announcement(104, NOW - 90, "https://c.example", content='{"name": "old"}'),
    )
    project = project_of(tmp_path, relay.url)
    url = "https://c.example/v1"
    assert nodes(project)[url]["name"] == "new"
    await relay.publish(
        announcement(104, NOW - 10, "https://c.example", content='{"name": "newer"}')
    )
    assert nodes(project)[url]["name"] == "newer"


def test_without_a_network_it_is_said_who_could_not_be_asked(tmp_path):
    url = f"ws://127.0.0.1:{free_port()}/"
    done = project_of(tmp_path, url).run("wallet", "nodes", "--search")
    assert done.out == "nobody told of a node\n"
    assert done.err == f"warning: {url}: it cannot be reached: Connection refused\n"
