"""Ask a Cashu mint: its keys, invoices, swaps, what it signed, which coins are spent.

Sources: NUT-01, 02 (keys), 03 (swap), 04 and 23 (invoices), 07 (states), 09 (restoring), 12 (proofs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

from holdfast.errors import MintRefused, MintUnavailable
from holdfast.frozen import frozen
from holdfast.routing.ecash import curve
from holdfast.routing.ecash.coins import UNIT, Blank, Coin, Keyset
from holdfast.routing.ecash.keysets import read_keys, read_keysets
from holdfast.routing.ecash.web import Reply, Table, Unreachable, Web

SPENT, SIGNED_BEFORE, OUTPUTS_PENDING, PENDING = 11001, 11003, 11004, 11002
NOT_PAID, ISSUED_BEFORE = 20001, 20002
"""Codes of the specification's list of errors."""
PaidState = Literal["UNPAID", "PAID", "ISSUED"]
CoinState = Literal["UNSPENT", "PENDING", "SPENT"]
_MOST_MESSAGE = 200


@frozen
class Invoice:
    """What is to be paid over Lightning for coins: `quote` is the secret by which they are claimed."""

    quote: str
    request: str
    state: PaidState
    expires_at: int | None = None
    """In seconds of the epoch."""


class Mint:
    """One mint, over HTTP. What it shows of its keys is asked once."""

    def __init__(self, url: str, web: Web) -> None:
        self.url = url
        self._web = web
        self._keysets: dict[str, Keyset] | None = None

    async def keysets(self) -> Mapping[str, Keyset]:
        """Return all keysets of the mint, without their keys but those that were used.

        Raises:
            MintUnavailable: it does not answer, or not as a mint.
        """
        if self._keysets is None:
            reply = await self._ask("/v1/keysets")
            try:
                self._keysets = read_keysets(reply.body)
            except ValueError as error:
                raise self._unreadable(str(error)) from None
        return self._keysets

    async def active(self) -> Keyset:
        """Return the keyset for new coins: the cheapest of those that are in use.

        Raises:
            MintUnavailable: as above.
            MintRefused: it has none for sats.
        """
        usable = [e for e in (await self.keysets()).values() if e.active and e.unit == UNIT]
        if not usable:
            raise MintRefused(
                f"the mint {self.url} has no keys for sats",
                hint="take another mint: this wallet holds sats only",
            )
        chosen = min(usable, key=lambda keyset: (keyset.fee_ppk, keyset.id))
        return await self._with_keys(chosen.id)

    async def invoice(self, amount: int) -> Invoice:
        """Return an invoice for coins."""
        reply = await self._ask("/v1/mint/quote/bolt11", {"amount": amount, "unit": UNIT})
        return self._read_invoice(reply)

    async def look(self, quote: str) -> Invoice:
        """Return an invoice as it is now."""
        return self._read_invoice(await self._ask(f"/v1/mint/quote/bolt11/{quote}"))

    async def issue(self, quote: str, blanks: Sequence[Blank]) -> list[Coin]:
        """Return coins for an invoice that was paid."""
        body: Table = {"quote": quote, "outputs": [_output(blank) for blank in blanks]}
        return await self._signed(await self._ask("/v1/mint/bolt11", body), blanks)

    async def swap(self, coins: Sequence[Coin], blanks: Sequence[Blank]) -> list[Coin]:
        """Return new coins for old ones, which are spent then."""
        body: Table = {
            "inputs": [_input(coin) for coin in coins],
            "outputs": [_output(blank) for blank in blanks],
        }
        return await self._signed(await self._ask("/v1/swap", body), blanks)

    async def restore(self, blanks: Sequence[Blank]) -> list[Coin]:
        """Return the coins of those blanks that the mint signed before; all of them, or none."""
        body: Table = {"outputs": [_output(blank) for blank in blanks]}
        reply = await self._ask("/v1/restore", body)
        outputs, signatures = (_tables(reply.table.get(e)) for e in ("outputs", "signatures"))
        told = {str(out.get("B_")): sign for out, sign in zip(outputs, signatures, strict=False)}
        found = [told.get(blank.blinded.hex()) for blank in blanks]
        signed = [each for each in found if each is not None]
        if len(signed) < len(blanks):
            return []
        return await self._coins(signed, blanks)

    async def states(self, coins: Sequence[Coin]) -> list[CoinState]:
        """Return for each coin whether it is spent."""
        points = [curve.hash_to_curve(coin.secret).hex() for coin in coins]
        reply = await self._ask("/v1/checkstate", {"Ys": points})
        told = {
            str(each.get("Y")): each.get("state") for each in _tables(reply.table.get("states"))
        }
        states = [told.get(point) for point in points]
        if not all(state in ("UNSPENT", "PENDING", "SPENT") for state in states):
            raise self._unreadable("it does not say of each coin whether it is spent")
        return cast("list[CoinState]", states)

    async def _signed(self, reply: Reply, blanks: Sequence[Blank]) -> list[Coin]:
        signatures = _tables(reply.table.get("signatures"))
        if len(signatures) != len(blanks):
            raise self._unreadable("it did not sign what it was given")
        return await self._coins(signatures, blanks)

    async def _coins(self, signatures: Sequence[Table], blanks: Sequence[Blank]) -> list[Coin]:
        return [
            await self._unblinded(signature, blank)
            for signature, blank in zip(signatures, blanks, strict=True)
        ]

    async def _unblinded(self, told: Table, blank: Blank) -> Coin:
        keyset = await self._with_keys(blank.keyset)
        key = keyset.keys[blank.amount]
        signature = _bytes(told.get("C_"))
        if (told.get("id"), told.get("amount")) != (blank.keyset, blank.amount):
            raise self._unreadable("it signed other amounts than it was given")
        if not curve.is_point(signature):
            raise self._unreadable("a signature of it is none")
        proof = told.get("dleq")
        if isinstance(proof, Mapping) and not _is_proved(
            cast("Table", proof), blank, signature, key
        ):
            raise self._unreadable("it signed with another key than it shows (NUT-12)")
        return Coin(
            keyset=blank.keyset,
            amount=blank.amount,
            secret=blank.secret,
            signature=curve.unblind(signature, blank.factor, key),
        )

    async def _with_keys(self, name: str) -> Keyset:
        keysets = cast("dict[str, Keyset]", await self.keysets())
        if name not in keysets:
            raise self._unreadable("it does not know a keyset of its own any more")
        if not keysets[name].keys:
            reply = await self._ask(f"/v1/keys/{name}")
            try:
                keysets[name] = read_keys(reply.body, keysets[name])
            except ValueError as error:
                raise self._unreadable(str(error)) from None
        return keysets[name]

    async def _ask(self, path: str, body: Table | None = None) -> Reply:
        try:
            reply = await self._web.ask(self.url + path, json=body)
        except Unreachable as error:
            raise MintUnavailable(
                f"the mint {self.url}: {error}", hint="is it up, and is its address right?"
            ) from None
        if reply.status == 200 and reply.table:
            return reply
        code, detail = reply.table.get("code"), reply.table.get("detail")
        if reply.status < 500 and isinstance(detail, str):
            told = " ".join(detail.split())[:_MOST_MESSAGE]
            number = code if isinstance(code, int) else 0
            raise MintRefused(f"the mint {self.url} says: {told}", code=number)
        raise self._unreadable(f"it answered with HTTP {reply.status}")

    def _read_invoice(self, reply: Reply) -> Invoice:
        table = reply.table
        quote, request, state = (table.get(name) for name in ("quote", "request", "state"))
        if not isinstance(quote, str) or not isinstance(request, str):
            raise self._unreadable("its invoice cannot be read")
        if not quote.isprintable() or "/" in quote or not request.isalnum():
            raise self._unreadable("its invoice cannot be read")
        known = state if state in ("PAID", "ISSUED") else "UNPAID"
        expiry = table.get("expiry")
        return Invoice(
            quote=quote,
            request=request,
            state=known,
            expires_at=expiry if isinstance(expiry, int) else None,
        )

    def _unreadable(self, reason: str) -> MintUnavailable:
        return MintUnavailable(
            f"the mint {self.url}: {reason}",
            hint="is that the address of a Cashu mint, and one to be trusted?",
        )


def _is_proved(proof: Table, blank: Blank, signature: bytes, key: bytes) -> bool:
    challenge, response = _bytes(proof.get("e")), _bytes(proof.get("s"))
    return curve.is_signed(blank.blinded, signature, key, challenge=challenge, response=response)


def _input(coin: Coin) -> Table:
    return {
        "amount": coin.amount,
        "id": coin.keyset,
        "secret": coin.secret,
        "C": coin.signature.hex(),
    }


def _output(blank: Blank) -> Table:
    return {"amount": blank.amount, "id": blank.keyset, "B_": blank.blinded.hex()}


def _tables(value: object) -> list[Table]:
    if not isinstance(value, list):
        return []
    return [cast("Table", each) for each in cast("list[object]", value) if isinstance(each, dict)]


def _bytes(value: object) -> bytes:
    try:
        return bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        return b""
