"""What single settings may be: each check returns the value or raises `ValueError`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from decimal import Decimal

    from holdfast.routing.config import StructuredOutput

Table = Mapping[str, object]
_MOST = 10**12
_MOST_EXPONENT = 30
_VARIABLE = r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}"


def as_text(value: object) -> str:
    """Return a text that is not empty, without white space around it."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text in quotes, not empty")
    return value.strip()


def as_table(value: object) -> Table:
    """Return a table."""
    if not isinstance(value, Mapping):
        raise ValueError("must be a table of keys and values")  # noqa: TRY004
    return cast("Table", value)


def as_names(value: object) -> tuple[str, ...]:
    """Return a list of texts."""
    if not isinstance(value, list):
        raise ValueError("must be a list of texts")  # noqa: TRY004 - all checks raise the same
    return tuple(as_text(each) for each in cast("list[object]", value))


def as_ack(value: object) -> str:
    """Return an acknowledgement level."""
    return as_one_of(("memory", "os", "disk"), value)


def as_structured(value: object) -> StructuredOutput:
    """Return how an endpoint is asked for structured output."""
    return cast("StructuredOutput", as_one_of(("auto", "json_schema", "none"), value))


def as_one_of(choices: tuple[str, ...], value: object) -> str:
    """Return one of some words."""
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(repr(each) for each in choices)
        raise ValueError(f"must be one of {listed}{suggestion(str(value), choices)}")
    return value


def _amount(value: object) -> Decimal:
    from decimal import Decimal  # noqa: PLC0415 - many commands do without

    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004 - all checks raise the same
    number = Decimal(str(value))
    # The size of the exponent first: a whole number of 1e999999999 would fill the memory.
    fits = number.is_finite() and (not number or abs(number.adjusted()) <= _MOST_EXPONENT)
    if not fits or abs(number) > _MOST:
        raise ValueError("must be a number of a sensible size")
    return number


def as_number(value: object) -> float:
    """Return a number of a sensible size."""
    return float(_amount(value))


def as_seconds(value: object) -> float:
    """Return a number of seconds above 0."""
    number = _amount(value)
    if number <= 0:
        raise ValueError("must be a number of seconds greater than 0")
    return float(number)


def as_whole(value: object) -> int:
    """Return a whole number, at least 1."""
    number = _amount(value)
    if number < 1 or number != int(number):
        raise ValueError("must be a whole number, at least 1")
    return int(number)


def as_share(value: object) -> float:
    """Return a share: above 0, at most 1."""
    number = _amount(value)
    if not 0 < number <= 1:
        raise ValueError("must be a share above 0 and at most 1, such as 0.97")
    return float(number)


def as_truth(value: object) -> bool:
    """Return a truth."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - all checks raise the same
    return value


def as_days(value: object) -> float:
    """Return a number of days above 0."""
    number = _amount(value)
    if number <= 0:
        raise ValueError("must be a number of days greater than 0")
    return float(number)


def as_dates(value: object) -> dict[str, Decimal]:
    """Return amounts above 0 by the day from which they hold."""
    from datetime import date  # noqa: PLC0415 - many commands do without

    amounts: dict[str, Decimal] = {}
    for day, amount in as_table(value).items():
        try:
            date.fromisoformat(day)
        except ValueError:
            raise ValueError(f"{day!r} must be a day such as '2026-11-26'") from None
        amounts[day] = _amount(amount)
        if amounts[day] <= 0:
            raise ValueError(f"{day}: must be an amount greater than 0")
    return amounts


def as_amount(value: object) -> Decimal:
    """Return an amount of money, at least 0."""
    number = _amount(value)
    if number < 0:
        raise ValueError("must be an amount that is not negative")
    return number


def as_address(value: object) -> str:
    """Return the base address of an endpoint."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - only with providers

    text = as_text(value)
    try:
        parts = urlsplit(text)
        ok = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        ok, parts = False, urlsplit("")
    if not ok:
        raise ValueError("must be an address such as 'https://api.example.com/v1'")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user, password or query: a key belongs in api_key")
    if parts.path.rstrip("/").endswith("/chat/completions"):
        raise ValueError("must end before '/chat/completions'")
    return text.rstrip("/")


def key_of(value: object, environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the key and the variable that it stands in; None for what there is not."""
    text = as_text(value)
    if reference := re.fullmatch(_VARIABLE, text):
        variable = reference.group(1)
        return environ.get(variable, "").strip() or None, variable
    if bare := re.fullmatch(r"\$([A-Za-z_]\w*)", text):
        raise ValueError(f"a variable stands in braces: write '${{{bare[1]}}}'")
    if "${" in text:
        raise ValueError("must be '${NAME}' and nothing else, or the key itself")
    return text, None


def suggestion(word: str, known: Iterable[str], spell: Callable[[str], str] = str) -> str:
    """Return a clause that names the known word most like `word`, or nothing."""
    from difflib import get_close_matches  # noqa: PLC0415 - only needed for a message

    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {spell(close[0])!r}?" if close else ""
