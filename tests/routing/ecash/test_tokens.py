"""Tokens as text, the curve, and the sums: what needs no mint."""

from __future__ import annotations

import base64
import json

import pytest
from coincurve import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import NotEnough, TokenInvalid
from holdfast.routing.ecash import cbor, curve
from holdfast.routing.ecash.coins import Coin, Keyset, fee_of, split, total, with_fee
from holdfast.routing.ecash.keysets import long_id, read_keys, read_keysets
from holdfast.routing.ecash.planning import (
    Moved,
    entries_of,
    plan_payment,
    plan_receipt,
)
from holdfast.routing.ecash.records import Kind, Operation, Phase
from holdfast.routing.ecash.tokens import Token, read_token, write_token

KEYS = {2**power: bytes([2]) + bytes(32) for power in range(24)}
coins_of_any_kind = st.lists(
    st.builds(
        Coin,
        keyset=st.sampled_from(["00" + "ab" * 7, "01" + "cd" * 7]),
        amount=st.sampled_from(sorted(KEYS)),
        secret=st.text(st.characters(codec="utf-8"), min_size=1, max_size=70),
        signature=st.binary(min_size=33, max_size=33),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda coin: coin.secret,
)


def keyset(fee_ppk: int) -> Keyset:
    return Keyset(id="00" + "ab" * 7, unit="sat", active=True, fee_ppk=fee_ppk, keys=KEYS)


def coins_of(amounts: list[int]) -> list[Coin]:
    return [
        Coin(keyset="00" + "ab" * 7, amount=amount, secret=str(place), signature=b"")
        for place, amount in enumerate(amounts)
    ]


def third_version(**members: object) -> str:
    return "cashuA" + base64.urlsafe_b64encode(json.dumps(members).encode()).decode()


@given(coins_of_any_kind, st.text(max_size=20))
def test_a_token_reads_back_as_it_was_written(coins, memo):
    token = Token(mint="https://mint.example", coins=tuple(coins), memo=memo)
    read = read_token(f" cashu:{write_token(token)}\n")
    assert (read.mint, read.memo, read.amount) == (token.mint, memo, token.amount)
    assert sorted(read.coins, key=lambda e: e.secret) == sorted(coins, key=lambda e: e.secret)


@given(coins_of_any_kind)
def test_tokens_of_the_third_version_are_read(coins):
    proofs = [
        {"id": e.keyset, "amount": e.amount, "secret": e.secret, "C": e.signature.hex()}
        for e in coins
    ]
    text = third_version(token=[{"mint": "https://mint.example/", "proofs": proofs}], unit="sat")
    read = read_token(text)
    assert (read.mint, list(read.coins)) == ("https://mint.example", coins)


@given(
    st.one_of(st.text(max_size=40), st.binary(max_size=60).map(lambda data: data.decode("latin1")))
)
def test_garbage_is_no_token_and_nothing_worse(text):
    for prefix in ("", "cashuA", "cashuB"):
        with pytest.raises(TokenInvalid):
            read_token(prefix + text)


@given(coins_of_any_kind, st.data())
def test_a_token_with_a_changed_letter_never_crashes_the_reader(coins, data):
    text = write_token(Token(mint="https://mint.example", coins=tuple(coins)))
    place = data.draw(st.integers(0, len(text) - 1))
    try:
        read_token(text[:place] + data.draw(st.sampled_from("Aa0_-!é")) + text[place + 1 :])
    except TokenInvalid as error:
        assert text[6:40] not in error.message  # noqa: PT017 - most changes still read


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (third_version(token=[]), "several mints, or none"),
        (third_version(token=[{"mint": "https://a", "proofs": []}]), "holds no coins"),
        (third_version(token=[{"mint": "https://a"}, {"mint": "https://b"}]), "several mints"),
        ("cashuC" + "A" * 20, "does not begin"),
        ("cashuB" + "A" * 1_000_001, "too long"),
        ("cashuB" + base64.urlsafe_b64encode(b"\x9f" * 40).decode(), "no definite length"),
        ("cashuB" + base64.urlsafe_b64encode(b"\x81" * 40).decode(), "nested too deeply"),
        ("cashuB" + base64.urlsafe_b64encode(b"\x9b" + b"\xff" * 8).decode(), "ends too early"),
    ],
)
def test_what_is_wrong_with_a_token_is_said(text, reason):
    with pytest.raises(TokenInvalid, match=reason):
        read_token(text)


def test_a_coin_that_is_in_a_token_twice_is_refused():
    coin = coins_of([8])[0]
    with pytest.raises(TokenInvalid, match="twice"):
        read_token(write_token(Token(mint="https://mint.example", coins=(coin, coin))))


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2**64 - 1) | st.binary() | st.text(),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(), inner, max_size=30),
    max_leaves=20,
)


@given(values.filter(lambda value: "None" not in repr(value) and "True" not in repr(value)))
def test_what_is_written_as_cbor_is_read_back(value):
    try:
        data = cbor.encode(value)
    except TypeError:
        assert "False" in repr(value)
        return
    assert cbor.decode(data) == value


def test_secrets_and_signatures_are_never_shown_by_repr():
    (coin,) = coins_of([4])
    token = Token(mint="https://mint.example", coins=(coin,))
    assert "secret" not in repr(token)
    assert "signature" not in repr(token)


def test_a_secret_stands_for_the_point_that_the_specification_says():
    # The first vector of NUT-00: 32 zero bytes.
    point = curve.hash_to_curve("\0" * 32)
    assert point.hex() == "024cce997d3b518f739663b757deaec95bcd9473c30a14ac2fd04023a739d1a725"


@given(st.integers(1, 2**200), st.integers(1, 2**200), st.text(min_size=1, max_size=64))
def test_unblinding_gives_the_signature_on_the_secret_itself(key, factor, secret):
    mint, own = PrivateKey(key.to_bytes(32, "big")), factor.to_bytes(32, "big")
    signed = curve._times(curve.blind(secret, own), mint.secret)
    unblinded = curve.unblind(signed, own, mint.public_key.format())
    assert unblinded == curve._times(curve.hash_to_curve(secret), mint.secret)


def test_signatures_of_nostr_are_told_from_others():
    key, message = PrivateKey(b"\x07" * 32), b"\x05" * 32
    author = key.public_key_xonly.format() if hasattr(key, "public_key_xonly") else None
    author = author or key.public_key.format()[1:]
    signature = key.sign_schnorr(message, b"\x01" * 32)
    assert curve.is_schnorr(signature, message, author)
    assert not curve.is_schnorr(signature, b"\x06" * 32, author)
    assert not curve.is_schnorr(bytes(64), message, author)
    assert not curve.is_schnorr(signature, message, b"\xff" * 32)


@given(st.integers(0, 2**24 - 1))
def test_an_amount_is_split_into_the_fewest_coins(amount):
    parts = split(amount, KEYS)
    assert sum(parts) == amount
    assert len(parts) == amount.bit_count()


@given(st.integers(1, 100_000), st.sampled_from([0, 1, 100, 999, 1000, 2500]))
def test_the_smallest_token_is_given_of_which_its_receiver_has_enough_left(amount, fee_ppk):
    def left(whole: int) -> int:
        parts = coins_of(split(whole, KEYS))
        return whole - fee_of(parts, {"00" + "ab" * 7: keyset(fee_ppk)})

    whole = sum(with_fee(amount, keyset(fee_ppk)))
    assert left(whole) >= amount
    assert all(left(less) < amount for less in range(amount, whole))


purse = st.lists(st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128, 256]), max_size=20)


@given(purse, st.integers(1, 600), st.sampled_from([0, 100, 1000]), st.booleans())
def test_a_payment_adds_up_to_the_sat_or_is_refused_as_there_is_too_little(
    amounts, amount, fee_ppk, receiver_fee
):
    active, coins = keyset(fee_ppk), coins_of(amounts)
    keysets = {active.id: active}
    try:
        plan = plan_payment(coins, amount, keysets, active, receiver_fee=receiver_fee)
    except NotEnough:
        asked = sum(with_fee(amount, active)) if receiver_fee else amount
        assert total(coins) - fee_of(coins, keysets) < asked
        return
    assert len({coin.secret for coin in plan.inputs}) == len(plan.inputs)
    fee = 0 if plan.exact else fee_of(plan.inputs, keysets)
    assert total(plan.inputs) == fee + sum(plan.given) + sum(plan.kept)
    assert sum(plan.given) >= amount


@given(purse.filter(bool), st.sampled_from([0, 100, 1000]))
def test_a_receipt_keeps_all_but_the_fee(amounts, fee_ppk):
    active, coins = keyset(fee_ppk), coins_of(amounts)
    keysets = {active.id: active}
    try:
        plan = plan_receipt(coins, keysets, active)
    except NotEnough:
        assert total(coins) <= fee_of(coins, keysets)
        return
    assert sum(plan.kept) + fee_of(coins, keysets) == total(coins)


sat = st.integers(0, 10_000)


@given(
    st.sampled_from(Kind), st.sampled_from(["", "desk"]),
    st.builds(Moved, held=sat, incoming=sat, issued=sat, ours=sat, given=sat),
)  # fmt: skip
def test_what_is_booked_always_comes_to_nothing(kind, node, moved):
    operation = Operation(
        id=1, kind=kind, phase=Phase.EXCHANGING, mint="m", amount=1, at_ms=0, node=node
    )
    assert sum(entries_of(operation, moved).values()) == 0


def test_a_mint_cannot_show_other_keys_than_its_keyset_is_named_after():
    listed = {"keysets": [{"id": "00" + "ab" * 7, "unit": "sat", "active": True}]}
    (known,) = read_keysets(listed).values()
    key = PrivateKey(b"\x03" * 32).public_key.format().hex()
    shown = {"keysets": [{"id": known.id, "unit": "sat", "keys": {"1": key}}]}
    with pytest.raises(ValueError, match="not those of its keyset"):
        read_keys(shown, known)


def test_the_short_id_of_a_token_must_mean_one_keyset():
    first, second = "01" + "ab" * 32, "01" + "ab" * 7 + "cd" * 25
    known = {name: keyset(0) for name in (first, second)}
    assert long_id(first, known) == first
    assert long_id(first[:16], known) is None
    assert long_id(first[:16], {first: keyset(0)}) == first
    assert long_id("00" + "ab" * 7, known) is None
