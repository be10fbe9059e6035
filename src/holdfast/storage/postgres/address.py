"""Read the address of a Postgres store."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from holdfast.errors import UsageError

FORM = "postgres://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE[?schema=NAME&pool_size=NUMBER]"
"""The form of an address. Further options go to the driver, for example `sslmode=verify-full`."""

_DEFAULT_SCHEMA = "holdfast"
_DEFAULT_POOL_SIZE = 10
_MAX_POOL_SIZE = 1000
# Names that need no quotes, short enough for the channel that is called after them.
_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a store is. Its text never holds the password."""

    url: str = field(repr=False)
    """What the driver gets, with the password."""

    schema: str
    pool_size: int
    place: str
    options: frozenset[str]
    """The names of the options for the driver."""

    def __str__(self) -> str:
        return self.place


def parse_address(url: str, *, usual_schema: str = _DEFAULT_SCHEMA) -> Address:
    """Return the parts of `url`; without a schema in it, the usual one.

    Raises:
        UsageError: a part is missing or wrong. The message never repeats the address, because a
            wrongly escaped password may stand anywhere in it.
    """
    try:
        parts = urlsplit(url)
        user, host, port = parts.username, parts.hostname, parts.port
    except ValueError:
        raise _wrong("its host or port cannot be read") from None
    if "@" in parts.path or parts.fragment:
        raise _wrong("it has an '@', '/' or '#' that is not escaped")
    ours, theirs = _split_options(parts.query)
    schema = ours.get("schema", usual_schema)
    if not _SCHEMA.fullmatch(schema):
        raise _wrong("its schema is not 1 to 40 small letters, digits and '_'")
    server = f"{f'{user}@' if user else ''}{host or ''}{f':{port}' if port else ''}"
    return Address(
        url=parts._replace(query="&".join(theirs)).geturl(),
        schema=schema,
        pool_size=_pool_size(ours.get("pool_size", str(_DEFAULT_POOL_SIZE))),
        place=f"postgres://{server}{parts.path}?schema={schema}",
        options=frozenset(unquote(pair.partition("=")[0]) for pair in theirs),
    )


def _split_options(query: str) -> tuple[dict[str, str], list[str]]:
    """Return our options by name, and those of the driver as they were written."""
    ours: dict[str, str] = {}
    theirs: list[str] = []
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise _wrong("it has an option without a value")
        if name in {"schema", "pool_size"}:
            ours[name] = unquote(value)
        else:
            theirs.append(pair)
    return ours, theirs


def _pool_size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MAX_POOL_SIZE):
        raise _wrong(f"its pool_size is not a number from 1 to {_MAX_POOL_SIZE}")
    return int(text)


def _wrong(cause: str) -> UsageError:
    return UsageError(
        f"the storage address of a Postgres server is wrong: {cause}",
        hint=f"write {FORM!r}, and in the password '%40' for '@', '%2F' for '/', '%23' for '#'",
    )
