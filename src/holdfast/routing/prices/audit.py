"""Compare what providers charge with what they quoted, and stop believing those who overcharge. Pure.

A quote is made of the same usage that the provider reports, so that the two differ by its rounding
only. One per cent beyond that, in five of the last twenty charges, is no accident.
"""

from __future__ import annotations

from holdfast.frozen import frozen, replace
from holdfast.routing.cost import format_msat

WINDOW = 20
LIMIT = 5
ROUNDING_MSAT = 1000
"""A provider may round each charge up to a whole sat."""
_MOST_EXCESS = 100
"""One part in so many may be charged above the quote."""
_FAIR = (False,) * WINDOW


@frozen
class Conduct:
    """How a provider charged so far. `recent` are its last charges: whether each was too high."""

    recent: tuple[bool, ...] = ()
    distrust: str = ""
    """Why it gets no more requests until it is reset; empty while it may."""


def is_overcharge(quoted_msat: int, charged_msat: int) -> bool:
    """Whether a charge is above its quote by more than one per cent beyond rounding."""
    excess = charged_msat - quoted_msat - ROUNDING_MSAT
    return excess * _MOST_EXCESS > quoted_msat


def observe(conduct: Conduct, quoted_msat: int, charged_msat: int) -> Conduct:
    """Return the conduct after another charge, most often the same one; distrust stays until `reset`."""
    too_high = is_overcharge(quoted_msat, charged_msat)
    if not too_high and conduct.recent == _FAIR:
        return conduct
    recent = (*conduct.recent, too_high)[-WINDOW:]
    seen = replace(conduct, recent=recent)
    if seen.distrust or sum(recent) < LIMIT:
        return seen
    reason = (
        f"it charged more than it quoted in {sum(recent)} of its last {len(recent)} charges, lately "
        f"{format_msat(charged_msat)} for {format_msat(quoted_msat)}"
    )
    return replace(seen, distrust=reason)


def reset(conduct: Conduct) -> Conduct:
    """Return the conduct of a provider that gets another chance."""
    return replace(conduct, recent=(), distrust="")
