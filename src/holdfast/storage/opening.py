"""Pick a backend by the address of the store.

For example::

    async with open_store("sqlite:.holdfast/store.db", clock=SystemClock()) as store:
        version = await store.put(("greeting",), b"hello", expected=ABSENT)

The backend is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from holdfast.errors import UsageError
from holdfast.storage.seam import Ack, Store

if TYPE_CHECKING:
    from holdfast.clock import Clock

_FORMS = {"memory": "memory://", "sqlite": "sqlite:PATH"}


def open_store(url: str, *, clock: Clock, ack: Ack = "disk") -> Store:
    """Return the store at `url`, to be entered with `async with`.

    `url` is `memory://` (gone with the object) or `sqlite:PATH` (one file, made when missing).
    `ack` says what an acknowledged write survives; a store in memory ignores it.

    Raises:
        UsageError: the address has an unknown scheme or lacks its path.
    """
    scheme, colon, rest = url.partition(":")
    backend = _BACKENDS.get(scheme) if colon else None
    if backend is None:
        raise _unknown(url, scheme)
    return backend(rest, clock, ack)


def _memory(rest: str, clock: Clock, ack: Ack) -> Store:  # noqa: ARG001 - nothing to survive
    from holdfast.storage.memory import MemoryStore  # noqa: PLC0415 - late: only the chosen one

    if rest != "//":
        raise UsageError(
            f"the storage address 'memory:{rest}' names something",
            hint="a store in memory has no name: write 'memory://'",
        )
    return MemoryStore(clock=clock)


def _sqlite(rest: str, clock: Clock, ack: Ack) -> Store:
    from holdfast.storage.sqlite import SqliteStore  # noqa: PLC0415 - late: loads a driver

    if not rest.strip("/"):
        raise UsageError(
            f"the storage address 'sqlite:{rest}' has no path",
            hint="write 'sqlite:PATH', for example 'sqlite:.holdfast/store.db'",
        )
    return SqliteStore(rest, clock=clock, ack=ack)


_BACKENDS: dict[str, Callable[[str, Clock, Ack], Store]] = {"memory": _memory, "sqlite": _sqlite}


def _unknown(url: str, scheme: str) -> UsageError:
    from difflib import get_close_matches  # noqa: PLC0415 - only for this message

    close = get_close_matches(scheme.lower(), _FORMS, n=1)
    guess = f"did you mean {_FORMS[close[0]]!r}? " if close else ""
    known = ", ".join(_FORMS.values())
    return UsageError(
        f"the storage address {url!r} has no known scheme", hint=f"{guess}known are: {known}"
    )
