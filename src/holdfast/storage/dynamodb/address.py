"""Read the address of a store in DynamoDB."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from holdfast.errors import UsageError

FORM = "dynamodb://TABLE?region=REGION"
MAX_PREFIX_BYTES = 255

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_SETTINGS = ("region", "endpoint", "prefix")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a store is: a table, and within it the items of one prefix.

    Without a `region` or an `endpoint` the driver looks where all tools of AWS look.
    """

    table: str
    region: str | None = None
    endpoint: str | None = None
    prefix: str = ""

    def __post_init__(self) -> None:
        if not _TABLE.fullmatch(self.table):
            raise UsageError(
                f"{self.table!r} is no name of a DynamoDB table",
                hint="a name has 3 to 255 letters, digits, '_', '-' and '.'",
            )
        if not self.prefix.isprintable() or len(self.prefix.encode()) > MAX_PREFIX_BYTES:
            raise UsageError(
                f"the prefix {self.prefix!r} is not printable or too long",
                hint=f"it may have {MAX_PREFIX_BYTES} bytes",
            )
        if self.endpoint is not None:
            _check_endpoint(self.endpoint)

    def __str__(self) -> str:
        place = f" at {self.endpoint}" if self.endpoint else ""
        return f"table {self.table!r}{place}"


def parse_address(url: str) -> Address:
    """Return what `dynamodb://TABLE?region=...&endpoint=...&prefix=...` says.

    Raises:
        UsageError: it has another form, an unknown setting, or holds a password.
    """
    if "@" in url:  # before anything of it is shown
        raise _refusal("a storage address of DynamoDB must not hold credentials")
    parts = urlsplit(url)
    if parts.path.strip("/") or parts.fragment or not parts.netloc:
        raise _refusal(f"the storage address {url!r} does not name a table")
    settings = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in settings:
        if name not in _SETTINGS:
            raise _refusal(f"the storage address {url!r} has the unknown setting {name!r}")
    return Address(
        table=parts.netloc,
        region=settings.get("region") or None,
        endpoint=settings.get("endpoint") or None,
        prefix=settings.get("prefix", ""),
    )


def _check_endpoint(endpoint: str) -> None:
    if "@" in endpoint:  # a password is not repeated
        raise _refusal("the endpoint of a storage address must not hold credentials")
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise _refusal(f"the endpoint {endpoint!r} is no address of a server")


def _refusal(message: str) -> UsageError:
    return UsageError(
        message,
        hint=f"write {FORM!r}, and behind it '&endpoint=URL' or '&prefix=TEXT' if you need them; "
        "credentials come from the environment or ~/.aws",
    )
