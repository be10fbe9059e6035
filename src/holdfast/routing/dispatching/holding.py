"""What is written down of a request before it is sent, and at which price money is held for it. Pure."""

from __future__ import annotations

from itertools import islice

from holdfast.frozen import maker
from holdfast.routing.cost import dearest_rates
from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.ledger.entries import RequestStart
from holdfast.routing.seam import Price
from holdfast.routing.selection.choosing import Plan, Wanted

_start = maker(RequestStart)
_MOST_NAME = 200
"""Characters of a name from outside that are logged."""
_PRICED = 3
"""How many of the first candidates a reservation pays the dearest of; for a dearer one it is extended."""


def start_of(
    request_id: str, ask: Ask, at_ms: int, wanted: Wanted | None = None, provider: str = ""
) -> RequestStart:
    """Return what is known of a request before anything is sent, also of one that nobody may serve."""
    account, choice = ask.account, wanted.choice if wanted else None
    return _start(
        id=request_id,
        at_ms=at_ms,
        model=ask.model[:_MOST_NAME],
        owner=account.owner,
        run_id=account.run_id,
        key_id=account.key_id,
        policy=wanted.policy.name if wanted else (ask.policy or "")[:_MOST_NAME],
        request_class=ask.request_class,
        stream=ask.stream,
        tier=choice.complexity.tier if choice else ask.tier or "",
        complexity=choice.complexity.score if choice else None,
        provider=provider,
    )


def times(price: Price | None, answers: int) -> Price | None:
    """Return a price by which a token out costs what a token of each answer does."""
    if price is None or answers == 1:
        return price
    inward, outward = dearest_rates(price)
    return Price(
        input_msat_per_million=inward,
        output_msat_per_million=outward * answers,
        request_msat=price.request_msat,
    )


def dearest(plan: Plan) -> Price | None:
    """Return a price that none of the priced endpoints likely to be asked is above; None if there is none."""
    if len(plan.candidates) == 1 and not plan.waiting:
        return plan.candidates[0].endpoint.price
    prices = (each.endpoint.price for each in (*plan.candidates, *plan.waiting))
    known = [*islice((each for each in prices if each is not None), _PRICED)]
    if not known:
        return None
    if len(known) == 1:
        return known[0]
    rates = [dearest_rates(each) for each in known]
    return Price(
        input_msat_per_million=max(inward for inward, _ in rates),
        output_msat_per_million=max(outward for _, outward in rates),
        request_msat=max(each.request_msat for each in known),
    )


def covers(paid: Price | None, price: Price | None) -> bool:
    """Tell whether money for a call at one price is enough for a call at another.

    Under a cap nothing is ever held at an unknown price, so that one covers all others.
    """
    if paid is None or paid is price:
        return True
    if price is None or price.request_msat > paid.request_msat:
        return False
    inward, outward = dearest_rates(price)
    most_inward, most_outward = dearest_rates(paid)
    return inward <= most_inward and outward <= most_outward
