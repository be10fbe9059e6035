"""What callers ask of `Sessions`, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """What to start. With `aside` the project's current session stays the one it is."""

    name: str
    goal: str = ""
    includes: Sequence[str] = ()
    excludes: Sequence[str] = ()
    context: Mapping[str, object] = field(default_factory=dict[str, object])
    aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeChange:
    """How the scope changes: what comes in, what goes out, what is not said any more, and why.

    What comes in is not outside any more, and the other way round. A `goal` of None stays.
    """

    includes: Sequence[str] = ()
    excludes: Sequence[str] = ()
    drop: Sequence[str] = ()
    goal: str | None = None
    reason: str = ""
