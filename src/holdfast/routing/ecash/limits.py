"""How much a node may have of ours, and what the requests cost that nobody saw the end of. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdfast.frozen import frozen
from holdfast.routing.config import Prepaid
from holdfast.routing.ecash.coins import MSAT

_SUPPOSED_MSAT = 20
_LEAST_SAT = 4
"""Of less the mint's fees would leave next to nothing."""


@frozen
class Standing:
    """How things stand at a node, in msat.

    `balance` is what it last said it has, `transit` what is on its way there, `taken` what it took from the
    balance by its own word, `charged` what it told us, request by request; where it told nothing, what
    was held for the request. `lost` is what went there and was never credited, or was given up.
    """

    balance_msat: int = 0
    transit_msat: int = 0
    taken_msat: int = 0
    charged_msat: int = 0
    lost_msat: int = 0

    @property
    def missing_msat(self) -> int:
        """What it took beyond what it charged."""
        return max(0, self.taken_msat - self.charged_msat)

    @property
    def exposure_msat(self) -> int:
        """What is lost at most if the node is never heard of again, with what is lost already."""
        gone = self.missing_msat + max(0, self.lost_msat)
        return self.balance_msat + self.transit_msat + gone


def amount_of_topup(standing: Standing, prepaid: Prepaid, missing_msat: int = 0) -> int:
    """Return how many sats to top up by, 0 if the limit allows none.

    As much as is missing for the next request, at least the usual amount, and never so that the node has
    more than the limit; nothing rather than next to nothing.
    """
    room = prepaid.limit_sat - -(-standing.exposure_msat // MSAT)
    amount = min(room, max(prepaid.topup_sat, -(-missing_msat // MSAT)))
    return amount if amount >= _LEAST_SAT else 0


def distribute(taken_msat: int, held: Sequence[tuple[str, int]]) -> Mapping[str, int]:
    """Return what requests with an unknown charge cost, given what was taken for all of them.

    In proportion to what was held for each, and never more than that: the sum is right, the parts are a
    likely share. What is taken beyond all of it stays unexplained.
    """
    whole = sum(amount for _, amount in held)
    rest = min(max(0, taken_msat), whole)
    shares: dict[str, int] = {}
    for request, amount in held:
        share = -(-rest * amount // whole) if whole else 0
        shares[request] = share
        rest, whole = rest - share, whole - amount
    return shares


def overhead_msat(fees_msat: int, requests: int) -> int:
    """Return what paying for a request costs besides its price: its share of the mint's fees so far.

    Before anything was paid it is supposed that a top-up costs two sats and lasts for a hundred requests.
    """
    return -(-fees_msat // requests) if requests else _SUPPOSED_MSAT
