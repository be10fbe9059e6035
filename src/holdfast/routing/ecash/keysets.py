"""Read the keys of a mint, and see that their name is right. Pure.

The id of a keyset is a digest of its keys, so that a mint cannot show other keys to one customer
to know the coins again. Source: Cashu NUT-01 and NUT-02, ids of versions 00 and 01.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import cast

from holdfast.routing.ecash.coins import Keyset
from holdfast.routing.ecash.curve import is_point

_HEX = frozenset("0123456789abcdef")
_SHORT = 16
_MOST_FEE_PPK = 1_000_000
_MOST_KEYS = 256
Table = Mapping[str, object]


def read_keysets(document: object) -> dict[str, Keyset]:
    """Return the keysets that a mint lists, without their keys.

    Raises:
        ValueError: that is no list of keysets.
    """
    return {keyset.id: keyset for keyset in map(_keyset, _tables(document)) if keyset is not None}


def read_keys(document: object, keyset: Keyset) -> Keyset:
    """Return a keyset with the keys that a mint shows for it.

    Raises:
        ValueError: there are none, or not those that its id stands for.
    """
    for table in _tables(document):
        if table.get("id") == keyset.id:
            keys = _keys(table.get("keys"))
            known = {_first_id(keys), _second_id(keys, keyset, table.get("final_expiry"))}
            if keyset.id not in known:
                raise ValueError("the mint shows keys that are not those of its keyset")
            return Keyset(
                id=keyset.id,
                unit=keyset.unit,
                active=keyset.active,
                fee_ppk=keyset.fee_ppk,
                keys=keys,
            )
    raise ValueError("the mint does not show the keys of its keyset")


def short_id(keyset: str) -> str:
    """Return the id that a token has: the whole one, or the beginning of one of version 01."""
    return keyset[:_SHORT] if keyset.startswith("01") else keyset


def long_id(keyset: str, known: Mapping[str, Keyset]) -> str | None:
    """Return the whole id for one of a token, None if no keyset or more than one is meant."""
    if keyset in known:
        return keyset
    if len(keyset) < _SHORT or not keyset.startswith("01"):
        return None
    meant = [each for each in known if each.startswith(keyset)]
    return meant[0] if len(meant) == 1 else None


def _keyset(table: Table) -> Keyset | None:
    name, unit, fee = table.get("id"), table.get("unit"), table.get("input_fee_ppk") or 0
    if not isinstance(name, str) or not isinstance(unit, str):
        raise ValueError("a keyset of the mint has no id or no unit")  # noqa: TRY004 - as others
    if not isinstance(fee, int) or not 0 <= fee <= _MOST_FEE_PPK:
        raise ValueError("a keyset of the mint has a fee that is none")
    if not _HEX.issuperset(name) or len(name) % 2:
        return None  # of a kind that is no longer in use
    return Keyset(id=name, unit=unit, active=table.get("active") is True, fee_ppk=fee, keys={})


def _keys(value: object) -> dict[int, bytes]:
    if not isinstance(value, Mapping) or not 0 < len(cast("Table", value)) <= _MOST_KEYS:
        raise ValueError("a keyset of the mint has no keys")
    keys: dict[int, bytes] = {}
    for amount, key in cast("Mapping[str, object]", value).items():
        if not str(amount).isdecimal() or not isinstance(key, str) or not _HEX.issuperset(key):
            raise ValueError("a key of the mint cannot be read")
        keys[int(amount)] = bytes.fromhex(key)
        if not is_point(keys[int(amount)]):
            raise ValueError("a key of the mint is no point of the curve")
    return dict(sorted(keys.items()))


def _first_id(keys: Mapping[int, bytes]) -> str:
    return "00" + hashlib.sha256(b"".join(keys.values())).hexdigest()[:14]


def _second_id(keys: Mapping[int, bytes], keyset: Keyset, expiry: object) -> str:
    told = ",".join(f"{amount}:{key.hex()}" for amount, key in keys.items())
    told += f"|unit:{keyset.unit}"
    if keyset.fee_ppk:
        told += f"|input_fee_ppk:{keyset.fee_ppk}"
    if expiry is not None:
        told += f"|final_expiry:{expiry}"
    return "01" + hashlib.sha256(told.encode()).hexdigest()


def _tables(document: object) -> list[Table]:
    listed = cast("Table", document).get("keysets") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        raise ValueError("it lists no keysets")  # noqa: TRY004 - as others
    return [cast("Table", each) for each in cast("list[object]", listed) if isinstance(each, dict)]
