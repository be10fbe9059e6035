"""What others tell of nodes: only what is signed is believed, and nothing of it is paid by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.routing.ecash.finding import (
    is_signed_event,
    newest_events,
    read_announcement,
    read_providers,
)
from tests.servers.nostr import Event, announcement

NOW = 1_000_000


def event(author: int = 7, at: int = 100, **changes: object) -> Event:
    """Return an announcement, signed before `changes` are made to it."""
    urls = "http://x.onion", f"https://node{at}.example"
    mints = [["mint", "https://m/"]]
    return announcement(author, at, *urls, tags=mints, content='{"name": "Désk"}') | changes


def test_an_announcement_is_read():
    found = read_announcement(event(), "wss://relay.example")
    assert found is not None
    assert (found.url, found.name, found.mints) == (
        "https://node100.example/v1",
        "Désk",
        ("https://m",),
    )
    assert found.accepted == ""


@pytest.mark.parametrize(
    "change",
    [
        {"content": "{}"}, {"created_at": 101}, {"kind": 1}, {"tags": []}, {"sig": "00" * 64},
        {"pubkey": "ab" * 32}, {"id": "cd" * 32}, {"sig": "odd"}, {"sig": None}, {"created_at": -1},
    ],
)  # fmt: skip
def test_what_was_changed_after_it_was_signed_is_not_believed(change):
    assert is_signed_event(event())
    assert newest_events([event(**change)], NOW) == []


def test_the_newest_announcement_of_an_author_counts():
    events = [event(at=100), event(at=300), event(at=200), event(8, at=50)]
    times = sorted(each["created_at"] for each in newest_events(events, NOW))
    assert times == [50, 300]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_whatever_a_node_or_a_relay_says_is_read_without_a_fault(value):
    assert read_providers(value, "desk", 0) == []
    assert newest_events([value], NOW) == []
    read_providers(
        {"providers": [value, {"endpoint_url": "https://a.example", "name": value}]}, "d", 0
    )
    assert newest_events([event(tags=value, sig="00" * 64)], NOW) == []


def test_a_list_of_a_node_is_read():
    listed = {"providers": [
        {"name": "one", "endpoint_url": "https://one.example", "mint_urls": ["https://m"]},
        {"provider": {"name": "two", "endpoint_urls": ["http://t.onion", "https://two.example/v1"]}},
        {"name": "dark", "endpoint_url": "http://only.onion"},
    ]}  # fmt: skip
    found = read_providers(listed, "desk", 5)
    assert [each.url for each in found] == ["https://one.example/v1", "https://two.example/v1"]
