"""What a request says of itself: how long it is, how much it may answer, and from when on to come again."""

from __future__ import annotations

from collections.abc import MutableMapping

import pytest

from holdfast.errors import ProviderUnavailable
from holdfast.proxy.formats.chat import Chat
from holdfast.proxy.telling import error_answer
from holdfast.proxy.wishes import ask_of, limit_name
from holdfast.web.http import Refused, Request

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
TOOLS = [{"type": "function", "function": {"name": "f", "description": "x" * 1000}}]


async def never() -> MutableMapping[str, object]:
    raise AssertionError("nobody reads the body")


REQUEST = Request({"method": "POST", "path": "/v1/chat/completions", "headers": ()}, never)


def test_tools_count_in_what_goes_in() -> None:
    assert ask_of(REQUEST, {**ASK, "tools": TOOLS}).size > ask_of(REQUEST, ASK).size + 1000
    assert ask_of(REQUEST, {**ASK, "tools": TOOLS}).request_class == "tools"


@pytest.mark.parametrize(
    ("limits", "name", "tokens"),
    [
        ({}, "max_tokens", None),
        ({"max_tokens": 5}, "max_tokens", 5),
        ({"max_completion_tokens": 6}, "max_completion_tokens", 6),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens", 6),
        ({"max_tokens": 5, "max_completion_tokens": None}, "max_tokens", 5),
    ],
)
def test_a_limit_has_two_names_and_null_is_none(
    limits: dict[str, int | None], name: str, tokens: int | None
) -> None:
    assert limit_name({**ASK, **limits}) == name
    assert ask_of(REQUEST, {**ASK, **limits}).max_tokens == tokens


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n"])
@pytest.mark.parametrize("value", [0, -1, True, "5", 1.5])
def test_what_is_no_count_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(Refused, match=f"{name} must be a whole number") as refused:
        ask_of(REQUEST, {**ASK, name: value})
    assert refused.value.status == 400


@pytest.mark.parametrize(("seconds", "told"), [(0.0, "1"), (1.0, "1"), (1.2, "2"), (59.5, "60")])
def test_nobody_is_told_to_come_again_before_the_time(seconds: float, told: str) -> None:
    error = ProviderUnavailable("busy", retry_after=seconds, fault="rate_limit")
    answer = error_answer(Chat(), error, "r")
    assert (answer.status, answer.headers["retry-after"]) == (429, told)
