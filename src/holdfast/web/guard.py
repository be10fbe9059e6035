"""Who may ask: only our own pages and programs on this machine, or whoever has the token.

A page of any site can make a browser send requests to this machine. The `Host` that it names must
be ours (against names that are made to point here), and an `Origin` must be the same.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from urllib.parse import urlsplit

from holdfast.web.http import Refused, Request

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN = frozenset({"/health"})
"""Paths that need no token."""


class Guard:
    """Checks requests to a server that listens on `host`. Without a `token` only loopback is served."""

    def __init__(self, *, host: str, token: str | None) -> None:
        self._hosts = _LOOPBACK | {host.lower()}
        self._any_host = host in ("0.0.0.0", "::", "")  # noqa: S104 - asked for by the user
        self._token = token.encode() if token else None

    def check(self, request: Request) -> None:
        """Let a request pass.

        Raises:
            Refused: 403 for a foreign host or origin, 401 without the right token.
        """
        host = _hostname(request.headers.get("host", ""))
        if not self._any_host and host not in self._hosts:
            raise Refused(403, f"this server is not {host!r}")
        origin = request.headers.get("origin")
        if origin is not None and _origin_host(origin) != request.headers.get("host", "").lower():
            raise Refused(403, "requests of pages from elsewhere are not taken")
        if self._token is not None and request.path not in OPEN:
            self._check_token(token_of(request))

    def _check_token(self, said: str) -> None:
        if not hmac.compare_digest(said.encode(), self._token or b""):
            raise Refused(
                401,
                "give the token: Authorization: Bearer TOKEN",
                headers={"www-authenticate": "Bearer"},
            )


def token_of(request: Request) -> str:
    """Return the token of a request: a bearer, or `x-api-key` as clients of Anthropic send it."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    return request.headers.get("x-api-key", "").strip()


@lru_cache(64)
def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _origin_host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
