"""Tell the overseer of an answer that went out."""

from __future__ import annotations

from holdfast.routing.dispatching.overseeing import Again, Answered
from holdfast.routing.dispatching.request import Dispatch


def answered_by(
    dispatch: Dispatch, text: str, again: Again, *, fits: bool | None = None
) -> Answered | None:
    """Return what is told of the answer that a request got, None if nobody served it."""
    if dispatch.served is None:
        return None
    return Answered(
        id=dispatch.id,
        ask=dispatch.ask,
        wanted=dispatch.wanted,
        model=dispatch.served.model,
        text=text,
        cost_msat=dispatch.charged_msat,
        again=again,
        fits=fits,
    )
