"""Compare what providers charge with what they quoted, and stop believing those who overcharge. Pure.

A quote is made of the same usage that the provider reports, so that the two differ by its rounding
only. One per cent beyond that, in five of the last twenty charges, is no accident.
"""

from __future__ import annotations

from dataclasses import replace

from holdfast.frozen import frozen
from holdfast.routing.cost import format_msat

WINDOW = 20
LIMIT = 5
ROUNDING_MSAT = 1000
"""A provider may round each charge up to a whole sat."""
_MOST_EXCESS = 100
"""One part in so many may be charged above the quote."""


@frozen
class Conduct:
    """How a provider charged so far. `recent` are its last charges: whether each was too high."""

    charges: int = 0
    overcharges: int = 0
    quoted_msat: int = 0
    charged_msat: int = 0
    recent: tuple[bool, ...] = ()
    distrust: str = ""
    """Why it gets no more requests until it is reset; empty while it may."""

    @property
    def excess_msat(self) -> int:
        """What was charged beyond all quotes."""
        return self.charged_msat - self.quoted_msat


def is_overcharge(quoted_msat: int, charged_msat: int) -> bool:
    """Whether a charge is above its quote by more than one per cent beyond rounding."""
    excess = charged_msat - quoted_msat - ROUNDING_MSAT
    return excess * _MOST_EXCESS > quoted_msat


def observe(conduct: Conduct, quoted_msat: int, charged_msat: int) -> Conduct:
    """Return the conduct after another charge; distrust stays until `reset`."""
    too_high = is_overcharge(quoted_msat, charged_msat)
    recent = (*conduct.recent, too_high)[-WINDOW:]
    seen = replace(
        conduct,
        charges=conduct.charges + 1,
        overcharges=conduct.overcharges + too_high,
        quoted_msat=conduct.quoted_msat + quoted_msat,
        charged_msat=conduct.charged_msat + charged_msat,
        recent=recent,
    )
    if seen.distrust or sum(recent) < LIMIT:
        return seen
    reason = (
        f"it charged more than it quoted in {sum(recent)} of its last {len(recent)} charges, lately "
        f"{format_msat(charged_msat)} for {format_msat(quoted_msat)}"
    )
    return replace(seen, distrust=reason)


def reset(conduct: Conduct) -> Conduct:
    """Return the conduct of a provider that gets another chance; its sums stay."""
    return replace(conduct, recent=(), distrust="")
