"""The stream of a chat: what passes as it came, what only they see who asked for it, and the end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.proxy.formats.chat import Chat
from holdfast.routing.dialects.seam import Batch

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
TEXT = {
    "id": "c1",
    "created": 7,
    "model": "m",
    "choices": [{"index": 0, "delta": {"content": "a"}}],
}
USAGE = {"id": "c1", "choices": [], "usage": {"prompt_tokens": 1}}
REPORT = {"request_id": "r", "cost_msat": 15}


def writer(*, wants_usage: bool):
    options = {"stream_options": {"include_usage": True}} if wants_usage else {}
    return Chat().read({**ASK, **options}).writer()


def events(data: bytes) -> list[Any]:
    assert data.endswith(b"\n\n") or not data
    lines = [each.removeprefix(b"data: ") for each in data.split(b"\n\n") if each]
    return [each.decode() if each == b"[DONE]" else json.loads(each) for each in lines]


@pytest.mark.parametrize("wants_usage", [False, True])
def test_a_chunk_of_usage_alone_is_for_those_who_asked_for_it(wants_usage: bool) -> None:
    chat, passed = writer(wants_usage=wants_usage), b"data: as it came\n\n"
    assert events(chat.feed(TEXT)) == [TEXT]
    assert events(chat.feed(USAGE)) == [USAGE] * wants_usage
    assert chat.pass_on(Batch([TEXT], passed)) == passed
    assert chat.pass_on(Batch([TEXT, USAGE], passed)) == passed * wants_usage
    assert chat.pass_on(Batch([TEXT], b"")) == b""


@pytest.mark.parametrize("wants_usage", [False, True])
def test_what_a_request_cost_stands_in_the_last_chunk_before_the_end(wants_usage: bool) -> None:
    chat = writer(wants_usage=wants_usage)
    chat.feed(TEXT)
    last, end = events(chat.finish(REPORT))
    assert (last["id"], last["created"], last["model"]) == ("c1", 7, "m")
    assert (last["holdfast"], end) == (REPORT, "[DONE]")
    nothing = {"index": 0, "delta": {}, "finish_reason": None}
    assert last["choices"] == ([] if wants_usage else [nothing])


def test_a_stream_that_fails_has_no_end() -> None:
    (told,) = events(writer(wants_usage=True).fail(503, "it broke off"))
    assert (told["error"]["message"], told["error"]["type"]) == ("it broke off", "server_error")
