"""What those who serve the requests of a store are given, and what they answer."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

from holdfast.frozen import NamedTuple

W = TypeVar("W")
W_contra = TypeVar("W_contra", contravariant=True)


class Outcome(NamedTuple):
    """What a request came to."""

    result: object = None
    error: BaseException | None = None


class Session(Protocol[W]):
    """What serves requests with its connection, always in one thread."""

    def open(self) -> None:
        """Connect."""
        ...

    def serve(self, group: list[W]) -> list[Outcome]:
        """Return the outcome of each request of a group, in its order."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...


class Desk(Protocol[W_contra]):
    """Where requests are handed in: a `Lane`, or `AtOnce`."""

    async def start(self) -> None:
        """Open the session."""
        ...

    def submit(self, work: W_contra) -> Awaitable[Any]:
        """Hand a request in; what it came to can be waited for."""
        ...

    async def stop(self) -> None:
        """Serve what was accepted and close the session."""
        ...
