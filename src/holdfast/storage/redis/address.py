"""Read the address of a Redis store."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from holdfast.errors import UsageError

FORM = "redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE][?prefix=PREFIX]"
"""The form of an address; `rediss` instead of `redis` means TLS."""

_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
# Without ':' no store's keys can begin with the prefix of another store.
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a store is and how to log in. Its text never holds the password."""

    host: str
    port: int
    database: int
    prefix: str
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls_files: tuple[tuple[str, str], ...] = ()

    @property
    def server(self) -> str:
        """The server, as errors name it."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def __str__(self) -> str:
        scheme = "rediss" if self.tls else "redis"
        return f"{scheme}://{self.server}/{self.database}?prefix={self.prefix}"


def parse_address(url: str) -> Address:
    """Return the parts of `url`.

    Raises:
        UsageError: a part is missing, wrong or unknown. The message never repeats the address,
            because a wrongly escaped password may stand anywhere in it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _wrong("its host or port cannot be read") from None
    if parts.scheme not in {"redis", "rediss"} or not host:
        raise _wrong("it has no host")
    if parts.fragment:
        raise _wrong("it has a '#'")
    options = _options(parts)
    return Address(
        host=unquote(host),
        port=port or 6379,
        database=_database(parts.path),
        prefix=options.pop("prefix", "holdfast"),
        tls=parts.scheme == "rediss",
        user=_text(parts.username),
        password=_text(parts.password),
        tls_files=tuple(options.items()),
    )


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = ("prefix", *_TLS_FILES) if parts.scheme == "rediss" else ("prefix",)
    if any(name not in known for name in options):
        raise _wrong(f"it has an unknown option; known are {', '.join(known)}")
    if not _PREFIX.fullmatch(options.get("prefix", "holdfast")):
        raise _wrong("its prefix is not 1 to 64 letters, digits, '_', '.' or '-'")
    return options


def _database(path: str) -> int:
    number = path.strip("/")
    if number and not (number.isascii() and number.isdigit()):
        raise _wrong("its database is not a number")
    return int(number or 0)


def _text(part: str | None) -> str | None:
    return unquote(part) if part else None


def _wrong(cause: str) -> UsageError:
    return UsageError(
        f"the storage address of a Redis server is wrong: {cause}",
        hint=f"write {FORM!r}, and in the password '%40' for '@', '%2F' for '/', '%23' for '#'",
    )
