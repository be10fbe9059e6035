"""Name the files: readable, safe on every file system, and different for different keys.

A name is made of the parts of the key below the prefix, joined by commas. Letters that have no
capitals and no accents of their own stand as they are, with digits, `-`, `_` and dots; a capital
ASCII letter is written as `+` and the small one, everything else as `%` and the hexadecimal bytes
of its UTF-8. So two names differ also where the file system ignores case or rewrites accents, no
name has a slash, begins with a dot or is one that Windows reserves. What would be longer than
`MAX_NAME_BYTES` is cut and ends with `~` and a hash of the whole.
"""

from __future__ import annotations

import re
from hashlib import sha256
from unicodedata import normalize

from holdfast.errors import UsageError
from holdfast.storage.seam import Key

MAX_NAME_BYTES = 200

_HASH_DIGITS = 32
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,16}")
_EMPTY_PART = "%"
_NO_PARTS = ","
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.DOTALL)

# What editors and desktops leave beside the files that people edit.
_TEMPORARY = re.compile(
    r"\..*|#.*#|.*~|.*\.(sw[a-z]|tmp|temp|bak|part|crdownload|orig)|4913|___jb_.*___"
    r"|thumbs\.db|desktop\.ini|~\$.*",
    re.DOTALL | re.IGNORECASE,
)


def name_face(parts: Key, suffix: str) -> str:
    """Return the name of the file for a key, given the parts of the key below the prefix."""
    stem = ",".join(_write_part(part) for part in parts) if parts else _NO_PARTS
    if _RESERVED.fullmatch(stem) or stem.startswith("."):
        stem = _escape(stem[0]) + stem[1:]
    name = stem + suffix
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    end = "~" + sha256(stem.encode()).hexdigest()[:_HASH_DIGITS] + suffix
    return stem.encode()[: MAX_NAME_BYTES - len(end)].decode(errors="ignore") + end


def is_temporary(name: str) -> bool:
    """Tell whether a file is hidden, or an editor's own: a backup, a lock, a half-saved file."""
    return _TEMPORARY.fullmatch(name) is not None


def check_suffix(suffix: str) -> None:
    """Refuse the end of a file's name that would undo what the names promise.

    Raises:
        UsageError: it is not a dot and up to 16 small letters and digits, or it is an editor's.
    """
    if not _SUFFIX.fullmatch(suffix) or is_temporary(f"a{suffix}"):
        raise UsageError(
            f"{suffix!r} cannot be the end of the files' names",
            hint="use a dot and small letters, such as '.json' or '.md'",
        )


def _write_part(part: str) -> str:
    return "".join(map(_write_character, part)) or _EMPTY_PART


def _write_character(character: str) -> str:
    if character in _PLAIN or _is_stable_letter(character):
        return character
    if "A" <= character <= "Z":
        return "+" + character.lower()
    return _escape(character)


def _is_stable_letter(character: str) -> bool:
    """Tell whether no file system takes the letter for another one or writes it differently."""
    return (
        not character.isascii()
        and character.isalnum()
        and character.casefold() == character
        and character.upper().lower() == character
        and normalize("NFKD", character) == character
    )


def _escape(character: str) -> str:
    return "".join(f"%{byte:02x}" for byte in character.encode())
