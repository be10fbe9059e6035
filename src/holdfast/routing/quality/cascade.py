"""Ask the weak model, check its answer, ask the strong one if it fails. Every call is paid for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from holdfast.errors import ProviderError, ProviderUnavailable
from holdfast.routing.cost import total, total_reply
from holdfast.routing.quality.checks import Check, Verdict
from holdfast.routing.seam import ModelReply

Ask = Callable[[str], Awaitable[ModelReply]]
"""Sends the request to the model of a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """The models to ask in turn, and what the answer of the first must pass."""

    weak: str
    strong: str
    check: Check


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeReply:
    """The reply that counts, and everything that was paid to get it.

    `cost_msat` is the sum over `replies`, which are all that were received, and None if one of
    their costs is unknown. `verdict` is what was said of the weak answer, None if none came.
    """

    reply: ModelReply
    replies: tuple[ModelReply, ...]
    verdict: Verdict | None
    cost_msat: int | None

    @property
    def escalated(self) -> bool:
        """Whether the strong model was asked."""
        return self.verdict is None or not self.verdict.passed


async def run_cascade(prompt: str, cascade: Cascade, ask: Ask) -> CascadeReply:
    """Return the weak model's answer if it passes its check, else the strong model's.

    A weak model that is unavailable is passed over. `prompt` is what the check sees of the
    request.

    Raises:
        ProviderError: from the strong model, or a refusal from the weak one. If the weak answer
            was paid for before, it is `spent` of the error.
    """
    try:
        weak = await ask(cascade.weak)
    except ProviderUnavailable:
        return _finish([await ask(cascade.strong)], None)
    verdict = await cascade.check(prompt, weak.text)
    if verdict.passed:
        return _finish([weak], verdict)
    try:
        strong = await ask(cascade.strong)
    except ProviderError as error:
        later = [error.spent] if isinstance(error.spent, ModelReply) else []
        error.spent = total_reply([weak, *later], None)
        raise
    return _finish([weak, strong], verdict)


def _finish(replies: Sequence[ModelReply], verdict: Verdict | None) -> CascadeReply:
    return CascadeReply(
        reply=replies[-1],
        replies=tuple(replies),
        verdict=verdict,
        cost_msat=total(reply.cost_msat for reply in replies),
    )
