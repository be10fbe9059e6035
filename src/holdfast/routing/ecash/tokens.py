"""Write ecash as the text that people pass on, and read what they pass. Pure.

Source: Cashu NUT-00, versions 3 (`cashuA`) and 4 (`cashuB`) of tokens. We write version 4.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from collections.abc import Mapping, Sequence
from typing import cast

from holdfast.errors import TokenInvalid
from holdfast.frozen import frozen
from holdfast.routing.ecash import cbor
from holdfast.routing.ecash.coins import UNIT, Coin, total

_MOST_CHARACTERS = 1_000_000
_MOST_COINS = 1_000
_MOST_AMOUNT = 2**53
_MOST_SECRET = 4_096
_PREFIXES = ("cashu://", "cashu:", "web+cashu://")
_HEX = frozenset("0123456789abcdef")
Table = Mapping[str, object]


@frozen
class Token:
    """Coins of one mint, as they are handed over."""

    mint: str
    coins: Sequence[Coin]
    unit: str = UNIT
    memo: str = ""

    @property
    def amount(self) -> int:
        """What the coins are worth together."""
        return total(self.coins)


def write_token(token: Token) -> str:
    """Return a token as text: whoever has the text has the money."""
    by_keyset: dict[str, list[Coin]] = {}
    for coin in token.coins:
        by_keyset.setdefault(coin.keyset, []).append(coin)
    body: dict[str, object] = {
        "m": token.mint,
        "u": token.unit,
        "t": [
            {"i": bytes.fromhex(keyset), "p": [_entry(coin) for coin in coins]}
            for keyset, coins in by_keyset.items()
        ],
    }
    if token.memo:
        body["d"] = token.memo
    return "cashuB" + urlsafe_b64encode(cbor.encode(body)).decode().rstrip("=")


def read_token(text: str) -> Token:
    """Return what a token holds, of either version.

    Raises:
        TokenInvalid: it is no token, or holds ecash of several mints or none.
    """
    text = "".join(text.split())
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    if len(text) > _MOST_CHARACTERS:
        raise TokenInvalid("it is too long")
    version, body = text[:6], text[6:]
    try:
        if version == "cashuB":
            return _read_fourth(cbor.decode(_decoded(body)))
        if version == "cashuA":
            return _read_third(json.loads(_decoded(body)))
    except (ValueError, NoBase64, RecursionError, UnicodeDecodeError) as error:
        # What is quoted might be a secret: only our own words go on.
        reason = str(error) if type(error) is ValueError else "it is damaged"
        raise TokenInvalid(reason) from None
    raise TokenInvalid("it does not begin with cashuA or cashuB")


def _entry(coin: Coin) -> Table:
    return {"a": coin.amount, "s": coin.secret, "c": coin.signature}


def _read_fourth(value: object) -> Token:
    body = _table(value)
    coins: list[Coin] = []
    for group in map(_table, _list(body.get("t"))):
        keyset = _bytes(group.get("i")).hex()
        for entry in map(_table, _list(group.get("p"))):
            signature = _bytes(entry.get("c"))
            coins.append(_coin(keyset, entry.get("a"), entry.get("s"), signature))
    return _token(body.get("m"), body.get("u"), body.get("d"), coins)


def _read_third(value: object) -> Token:
    body = _table(value)
    groups = [_table(each) for each in _list(body.get("token"))]
    if len({str(each.get("mint")) for each in groups}) != 1:
        raise ValueError("it holds ecash of several mints, or none")
    coins: list[Coin] = []
    for entry in (_table(each) for group in groups for each in _list(group.get("proofs"))):
        keyset, signature = entry.get("id"), _unhex(entry.get("C"))
        if not isinstance(keyset, str) or not _HEX.issuperset(keyset):
            raise ValueError("it is of a kind of keys that is no longer in use")
        coins.append(_coin(keyset, entry.get("amount"), entry.get("secret"), signature))
    return _token(groups[0].get("mint"), body.get("unit", UNIT), body.get("memo"), coins)


def _token(mint: object, unit: object, memo: object, coins: Sequence[Coin]) -> Token:
    if not isinstance(mint, str) or not isinstance(unit, str):
        raise ValueError("it names no mint")  # noqa: TRY004 - all mistakes are the same
    if not coins or len(coins) > _MOST_COINS:
        raise ValueError(f"it holds no coins, or more than {_MOST_COINS}")
    if len({coin.secret for coin in coins}) < len(coins):
        raise ValueError("it holds the same coin twice")
    told = memo if isinstance(memo, str) else ""
    return Token(mint=mint.rstrip("/"), coins=tuple(coins), unit=unit, memo=told)


def _coin(keyset: str, amount: object, secret: object, signature: bytes) -> Coin:
    if not isinstance(amount, int) or not 0 < amount <= _MOST_AMOUNT:
        raise ValueError("a coin in it has no amount")
    if not isinstance(secret, str) or not 0 < len(secret) <= _MOST_SECRET:
        raise ValueError("a coin in it has no secret")
    return Coin(keyset=keyset, amount=amount, secret=secret, signature=signature)


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))


def _table(value: object) -> Table:
    if not isinstance(value, Mapping):
        raise ValueError("it does not have the shape of a token")  # noqa: TRY004 - as above
    return cast("Table", value)


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("it does not have the shape of a token")  # noqa: TRY004 - as above
    return cast("list[object]", value)


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("it does not have the shape of a token")  # noqa: TRY004 - as above
    return value


def _unhex(value: object) -> bytes:
    if not isinstance(value, str) or not _HEX.issuperset(value) or len(value) % 2:
        raise ValueError("a signature in it is no hexadecimal number")
    return bytes.fromhex(value)
