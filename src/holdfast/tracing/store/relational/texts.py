"""Texts as every database can hold them: without lone surrogates and without zeros. Pure."""

from __future__ import annotations

_LONGEST = 500
_MARK = "\x1a"
"""What a name begins with that is written out."""


def clean(text: str) -> str:
    """Return text for people: what cannot be held is written out."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def as_label(text: str) -> str:
    """Return text that is short enough for every index: its first 500 characters."""
    return clean(text)[:_LONGEST]


def as_held(name: str) -> str:
    """Return a name so that `as_name` gives it back."""
    if name.startswith(_MARK) or clean(name) != name:
        return _MARK + name.encode("unicode_escape").decode("ascii")
    return name


def as_name(held: str) -> str:
    """Return the name that is held."""
    if held.startswith(_MARK):
        return held[1:].encode("ascii").decode("unicode_escape")
    return held
