"""Ask a Routstr node about the balance that it keeps for a key.

The paths are those of Routstr's protocol below the base address, which ends in /v1. A token opens an account
once: the same token gives the same key again, so that an answer that was lost can be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from holdfast.errors import NodeFailed
from holdfast.frozen import frozen
from holdfast.routing.ecash.web import Reply, Table, Unreachable, Web

_MOST_MSAT = 2**53
_MOST_KEY = 512
_MOST_MESSAGE = 200
_NO_SUCH_METHOD = 405
_UNKNOWN_KEY = 401


@frozen
class Balance:
    """What a node says it has of ours: `reserved_msat` is part of it, for requests on their way."""

    key: str
    msat: int
    reserved_msat: int = 0

    def __repr__(self) -> str:
        return f"Balance(msat={self.msat}, reserved_msat={self.reserved_msat})"


class NodeBalance:
    """The balance endpoints of one node."""

    def __init__(self, name: str, base_url: str, web: Web) -> None:
        self.name = name
        self._base = base_url.rstrip("/")
        self._web = web

    async def create(self, token: str) -> Balance:
        """Open an account with a token.

        Raises:
            NodeFailed: with the status of HTTP, 0 if no answer came.
        """
        asked = {"initial_balance_token": token}
        try:
            reply = await self._ask("/balance/create", json=asked)
        except NodeFailed as error:
            if error.status != _NO_SUCH_METHOD:
                raise
            # An older node, which writes addresses into its log, and with them the token that it takes.
            reply = await self._ask("/balance/create", asked)
        return self._balance(reply)

    async def top_up(self, key: str, token: str) -> int:
        """Add a token to an account, and return the msat that the node credits."""
        reply = await self._ask("/balance/topup", key=key, json={"cashu_token": token})
        return self._amount(reply, "msats")

    async def info(self, key: str) -> Balance:
        """Return what the node has of ours."""
        return self._balance(await self._ask("/balance/info", key=key))

    async def refund(self, key: str) -> str:
        """Take the balance back, and return the token that it comes as."""
        reply = await self._ask("/balance/refund", key=key, json={})
        token = reply.table.get("token")
        if not isinstance(token, str) or not token.startswith("cashu"):
            raise self._unreadable("it gives no token back")
        return token

    async def _ask(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        key: str | None = None,
        json: Table | None = None,
    ) -> Reply:
        headers = {"Authorization": f"Bearer {key}"} if key else None
        try:
            reply = await self._web.ask(self._base + path, query=query, headers=headers, json=json)
        except Unreachable as error:
            raise NodeFailed(
                f"node {self.name!r}: {error}", hint="is it up, and is its base_url right?"
            ) from None
        if reply.status == 200 and reply.table:
            return reply
        if key and reply.status == _UNKNOWN_KEY:
            raise unknown_key(self.name)
        raise NodeFailed(
            f"node {self.name!r} answered {path} with HTTP {reply.status}{_told(reply)}",
            status=reply.status,
            hint="`holdfast wallet history` shows where the money is",
        )

    def _balance(self, reply: Reply) -> Balance:
        key = reply.table.get("api_key")
        if not isinstance(key, str) or not 0 < len(key) <= _MOST_KEY or not key.isprintable():
            raise self._unreadable("it tells no key")
        reserved = reply.table.get("reserved")
        return Balance(
            key=key,
            msat=self._amount(reply, "balance"),
            reserved_msat=reserved if isinstance(reserved, int) and reserved > 0 else 0,
        )

    def _amount(self, reply: Reply, name: str) -> int:
        amount = reply.table.get(name)
        if not isinstance(amount, int) or isinstance(amount, bool) or not 0 <= amount < _MOST_MSAT:
            raise self._unreadable("it tells no amount")
        return amount

    def _unreadable(self, reason: str) -> NodeFailed:
        return NodeFailed(
            f"node {self.name!r} answered as no node does: {reason}",
            status=200,
            hint="does its base_url end in /v1, and is it a Routstr node?",
        )


def unknown_key(name: str) -> NodeFailed:
    """Return what is to be said where a node does not take the key that it gave."""
    return NodeFailed(
        f"node {name!r} does not know the key of your balance there any more (HTTP {_UNKNOWN_KEY})",
        status=_UNKNOWN_KEY,
        hint=f"try again later; `holdfast wallet refund {name} --give-up` counts the balance as "
        "lost, and the next request opens another one",
    )


def _told(reply: Reply) -> str:
    """Return what an answer says of its error; a node may repeat what it was sent, so not all of it."""
    detail = reply.table.get("detail")
    if isinstance(detail, Mapping):
        detail = cast("Table", detail).get("error", cast("Table", detail).get("message"))
    if isinstance(detail, Mapping):
        detail = cast("Table", detail).get("message")
    if not isinstance(detail, str) or "cashu" in detail or "sk-" in detail:
        return ""
    return f": {' '.join(detail.split())[:_MOST_MESSAGE]}"
