"""Blind, unblind and verify on secp256k1. Points are 33 bytes, scalars 32. Pure.

The only module that knows the library of the curve, which comes with `holdfast[ecash]`.

Sources: Cashu NUT-00 (blind signatures), NUT-12 (their proofs), BIP-340 (signatures of Nostr).
"""

from __future__ import annotations

import hashlib

from holdfast.errors import UsageError

try:
    from coincurve import PrivateKey, PublicKey, PublicKeyXOnly
except ImportError:
    raise UsageError(
        "ecash needs a library that is not installed",
        hint="install it with: pip install 'holdfast[ecash]'",
    ) from None

_DOMAIN = b"Secp256k1_HashToCurve_Cashu_"
_TRIES = 2**16
_EVEN, _ODD = 2, 3


def hash_to_curve(secret: str) -> bytes:
    """Return the point that stands for a secret (NUT-00)."""
    seed = hashlib.sha256(_DOMAIN + secret.encode()).digest()
    for counter in range(_TRIES):
        x = hashlib.sha256(seed + counter.to_bytes(4, "little")).digest()
        if is_point(point := bytes([_EVEN]) + x):
            return point
    raise AssertionError("half of all hashes are on the curve")


def is_point(data: bytes) -> bool:
    """Whether bytes are a point of the curve in the short form."""
    if len(data) != 33:
        return False
    try:
        PublicKey(data)
    except ValueError:
        return False
    return True


def is_scalar(data: bytes) -> bool:
    """Whether bytes are a number that a point can be multiplied by."""
    try:
        PrivateKey(data)
    except ValueError:
        return False
    return len(data) == 32


def blind(secret: str, factor: bytes) -> bytes:
    """Return what a mint is given to sign: `Y + rG`."""
    return _sum(hash_to_curve(secret), _times_generator(factor))


def unblind(signature: bytes, factor: bytes, key: bytes) -> bytes:
    """Return the signature on the secret itself: `C_ - rK`."""
    return _sum(signature, _negative(_times(key, factor)))


def is_signed(
    blinded: bytes, signature: bytes, key: bytes, *, challenge: bytes, response: bytes
) -> bool:
    """Whether a mint signed with this key and no other (NUT-12): else it could mark its customers."""
    try:
        first = _sum(_times_generator(response), _negative(_times(key, challenge)))
        second = _sum(_times(blinded, response), _negative(_times(signature, challenge)))
    except ValueError:
        return False
    points = (first, second, key, signature)
    told = "".join(PublicKey(each).format(compressed=False).hex() for each in points)
    return hashlib.sha256(told.encode()).digest() == challenge


def is_schnorr(signature: bytes, message: bytes, key: bytes) -> bool:
    """Whether a signature of BIP-340 is that of a key of 32 bytes."""
    if len(signature) != 64 or len(message) != 32 or len(key) != 32:
        return False
    try:
        return PublicKeyXOnly(key).verify(signature, message)
    except ValueError:
        return False


def _times(point: bytes, scalar: bytes) -> bytes:
    return PublicKey(point).multiply(scalar).format()


def _times_generator(scalar: bytes) -> bytes:
    return PublicKey.from_valid_secret(PrivateKey(scalar).secret).format()


def _sum(one: bytes, other: bytes) -> bytes:
    return PublicKey.combine_keys([PublicKey(one), PublicKey(other)]).format()


def _negative(point: bytes) -> bytes:
    return bytes([_ODD if point[0] == _EVEN else _EVEN]) + point[1:]
