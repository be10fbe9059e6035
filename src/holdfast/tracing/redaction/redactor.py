"""Replace secrets by marks: by the names of values, by their forms, by entropy, by a hook."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import cast

from holdfast.tracing.redaction.finding import Secret, find_secrets, is_hex
from holdfast.tracing.span import Value

Hook = Callable[[str], str]
"""Gets a text without the secrets that were found, and returns what may be kept of it."""

WITHHELD = "[withheld: the redaction hook failed]"
_SECRET_WORDS = frozenset(
    {
        "password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "authorization",
        "cookie", "credential", "credentials", "signature", "bearer", "privatekey", "accesskey",
        "secretkey", "sessionkey", "pin", "cvv", "jwt",
    }
)  # fmt: skip
_PAIRS = frozenset(
    {
        ("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key"),
        ("session", "key"), ("auth", "key"), ("encryption", "key"), ("client", "secret"),
        ("set", "cookie"), ("x", "auth"),
    }
)  # fmt: skip
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_REMEMBERED = 4096
_SHORT = 512
_LEAST = 8


class Redactor:
    """Take secrets out of texts and of values of any depth.

    `key` makes the marks: the same secret has the same mark in one project, and nobody without the
    key can confirm a guess. `names` are names of values that are secrets besides the usual ones,
    `patterns` regular expressions of what is one.
    """

    def __init__(
        self,
        *,
        key: bytes,
        names: Sequence[str] = (),
        patterns: Sequence[str] = (),
        hook: Hook | None = None,
    ) -> None:
        self._key = key
        self._names = frozenset(_folded(name) for name in names)
        self._patterns = [re.compile(each) for each in patterns]
        self._hook = hook
        self._is_usual = not self._patterns and hook is None
        self._verdicts: dict[str, bool] = {}
        self._texts: dict[str, str] = {}
        self.failures = 0
        """How often the hook failed."""

    def is_secret_name(self, name: str) -> bool:
        """Whether a value of this name is a secret whatever it looks like."""
        verdict = self._verdicts.get(name)
        if verdict is None:
            verdict = _folded(name) in self._names or _says_secret(name)
            _remember(self._verdicts, name, verdict)
        return verdict

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        if self._is_usual and len(text) < _LEAST:
            return text
        known = self._texts.get(text)
        if known is None:
            if self._is_usual and is_hex(text):
                return text
            known = self._redacted(text)
            if len(text) <= _SHORT:
                _remember(self._texts, text, known)
        return known

    def mark(self, what: str, secret: str) -> str:
        """Return what stands in the place of a secret."""
        digest = blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=3, key=self._key)
        return f"[redacted:{what.removeprefix('a ').removeprefix('an ')}:{digest.hexdigest()}]"

    def value(self, value: Value, name: str = "") -> Value:
        """Return a value without secrets; the same object if there are none in it."""
        if isinstance(value, str):
            if name and self.is_secret_name(name):
                return self.mark("a named secret", value) if value else value
            return self.text(value)
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, bytes | bytearray):
            return self._bytes(bytes(value), name)
        if isinstance(value, Sequence):
            return self._sequence(value, name)
        return value

    def _redacted(self, text: str) -> str:
        found = list(find_secrets(text, by_entropy=True))
        for pattern in self._patterns:
            found += [Secret("a private matter", *each.span()) for each in pattern.finditer(text)]
        kept = self._without(text, found) if found else text
        if self._hook is None:
            return kept
        try:
            said = cast("object", self._hook(kept))
        except Exception:  # noqa: BLE001 - a hook must not reach the application
            self.failures += 1
            return WITHHELD
        return said if isinstance(said, str) else WITHHELD

    def _without(self, text: str, found: list[Secret]) -> str:
        found.sort(key=lambda each: (each.start, -each.end))
        parts: list[str] = []
        end = 0
        for what, start, stop in found:
            if start < end:  # overlaps one that is out already: the rest of it goes too
                end = max(end, stop)
                continue
            parts += [text[end:start], self.mark(what, text[start:stop])]
            end = stop
        return "".join([*parts, text[end:]])

    def _mapping(self, value: Mapping[str, Value]) -> Value:
        changed: dict[str, Value] | None = None
        named = _names_a_header(value)
        for key, each in value.items():
            new = self.value(each, named if named and key == "value" else str(key))
            if new is not each:
                changed = dict(value) if changed is None else changed
                changed[key] = new
        return value if changed is None else changed

    def _sequence(self, value: Sequence[Value], name: str) -> Value:
        if _is_header(value):  # such as ["authorization", "Bearer ..."]
            first, second = cast("Sequence[str]", value)
            return [first, self.value(second, first)]
        new = [self.value(each, name) for each in value]
        same = all(mine is theirs for mine, theirs in zip(new, value, strict=True))
        return value if same else new

    def _bytes(self, value: bytes, name: str) -> Value:
        text = value.decode("latin-1")
        new = self.value(text, name)
        return value if new == text else new


def _says_secret(name: str) -> bool:
    """Whether the last words of a name say that its value is a secret."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words:
        return False
    return words[-1] in _SECRET_WORDS or tuple(words[-2:]) in _PAIRS


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def _names_a_header(value: Mapping[str, Value]) -> str:
    """Return the name of a header that is given as `{"name": ..., "value": ...}`."""
    name = value.get("name", value.get("key")) if "value" in value else None
    return name if isinstance(name, str) else ""


def _is_header(value: Sequence[Value]) -> bool:
    return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], str)


def _remember(known: dict[str, bool] | dict[str, str], key: str, value: bool | str) -> None:  # noqa: FBT001
    if len(known) >= _REMEMBERED:
        known.clear()
    known[key] = value  # pyright: ignore[reportArgumentType] - of the kind that it holds
