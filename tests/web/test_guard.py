"""Who may ask: whoever has the token, and no page of another site."""

from __future__ import annotations

from collections.abc import MutableMapping

import pytest

from holdfast.web.guard import Guard
from holdfast.web.http import Refused, Request

OURS = "localhost:8787"
GUARDED = Guard(host="127.0.0.1", token="t0ken")
OPEN = Guard(host="127.0.0.1", token=None)


async def never() -> MutableMapping[str, object]:
    raise AssertionError("nobody reads the body")


def status(guard: Guard, path: str = "/v1/models", **headers: str) -> int:
    """Return what a request is refused with, 200 if it is not."""
    told = {"host": OURS, **{name.replace("_", "-"): each for name, each in headers.items()}}
    pairs = [(name.encode(), each.encode()) for name, each in told.items()]
    try:
        guard.check(Request({"method": "GET", "path": path, "headers": pairs}, never))
    except Refused as refused:
        is_told_how = "www-authenticate" in refused.headers
        return refused.status if is_told_how is (refused.status == 401) else 0
    return 200


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/health", 200),
        ("/health/", 401),
        ("/healthy", 401),
        ("/", 401),
        ("/providers", 401),
        ("/v1/models", 401),
        ("/v1/chat/completions", 401),
        ("/v1/traces", 401),
    ],
)
def test_every_path_but_health_asks_for_the_token(path: str, expected: int) -> None:
    assert status(GUARDED, path) == expected
    assert status(GUARDED, path, authorization="Bearer t0ken") == 200
    assert status(OPEN, path) == 200


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"authorization": "Bearer t0ken"}, 200),
        ({"authorization": "bearer  t0ken "}, 200),
        ({"x_api_key": "t0ken"}, 200),
        ({"authorization": "Basic t0ken", "x_api_key": "t0ken"}, 200),
        ({"authorization": "Basic t0ken"}, 401),
        ({"authorization": "t0ken"}, 401),
        ({"authorization": "Bearer t0ke"}, 401),
        ({"authorization": "Bearer t0kens"}, 401),
        ({"authorization": "Bearer t\u00f8ken"}, 401),
        ({"authorization": "Bearer wrong", "x_api_key": "t0ken"}, 401),
        ({"x_api_key": ""}, 401),
    ],
)
def test_the_token_comes_as_a_bearer_or_as_clients_of_anthropic_send_it(
    headers: dict[str, str], expected: int
) -> None:
    assert status(GUARDED, **headers) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", 200),
        ("LocalHost:1", 200),
        ("127.0.0.1:8787", 200),
        ("[::1]:8787", 200),
        ("evil.example", 403),
        ("evil.example:8787", 403),
        ("localhost.evil.example", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
@pytest.mark.parametrize("guard", [OPEN, GUARDED])
def test_a_name_that_is_made_to_point_here_is_refused(
    guard: Guard, host: str, expected: int
) -> None:
    assert status(guard, host=host, authorization="Bearer t0ken") == expected


def test_the_name_that_it_listens_on_is_its_own_and_on_all_addresses_every_name_is() -> None:
    assert status(Guard(host="Desk.lan", token="t"), "/health", host="desk.lan:80") == 200
    assert status(Guard(host="desk.lan", token="t"), "/health", host="other.lan") == 403
    for every in ("0.0.0.0", "::", ""):
        assert status(Guard(host=every, token="t"), "/health", host="other.lan") == 200


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://localhost:8787", 200),
        ("http://LOCALHOST:8787", 200),
        ("http://localhost:3000", 403),
        ("http://localhost", 403),
        ("http://127.0.0.1:8787", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://[", 403),
    ],
)
@pytest.mark.parametrize("guard", [OPEN, GUARDED])
def test_a_page_from_elsewhere_is_refused_though_it_knows_the_token(
    guard: Guard, origin: str, expected: int
) -> None:
    assert status(guard, origin=origin, authorization="Bearer t0ken") == expected
