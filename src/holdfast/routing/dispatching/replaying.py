"""What logged requests would have cost under other rules: nobody is asked, the log is only read.

The tokens are those that were counted, so an answer of another model is taken to be as long. Circuits
count as closed and caches as cold, as nobody knows how they would have been.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.frozen import frozen, replace
from holdfast.routing.breakers.board import Board
from holdfast.routing.breakers.rules import Rules as Circuits
from holdfast.routing.config import RoutingConfig
from holdfast.routing.dispatching.asking import Ask, policy_of
from holdfast.routing.ledger.reports import Logged
from holdfast.routing.selection.choosing import ANY, Chooser, Wanted
from holdfast.routing.selection.endpoints import Catalogue
from holdfast.routing.selection.expected import Tokens
from holdfast.routing.selection.policies import Strategy


@frozen
class Rules:
    """What is to be other than it was; None leaves it as it was logged or is configured."""

    policy: str | None = None
    strategy: Strategy | None = None
    model: str | None = None


@frozen
class Replayed:
    """One request: what it cost, who would serve it now, and for how much; None if unknown.

    `refused` says why nobody would.
    """

    request_id: str
    asked_model: str
    was: str
    was_msat: int | None
    now: str = ""
    now_msat: float | None = None
    refused: str = ""


def replay(
    catalogue: Catalogue, config: RoutingConfig, logged: Sequence[Logged], rules: Rules
) -> Sequence[Replayed]:
    """Return what each request that was answered would come to. The choice of `auto` is not made anew.

    Raises:
        UsageError: there is no policy of the name.
    """
    board = Board(Circuits(), now_ms=lambda: 0, jitter=lambda: 0.0)
    chooser = Chooser(catalogue, board, lambda _place, _tokens: None)
    return [_replay(chooser, config, each, rules) for each in logged if each.provider]


def _replay(chooser: Chooser, config: RoutingConfig, each: Logged, rules: Rules) -> Replayed:
    told = Replayed(
        request_id=each.id,
        asked_model=each.asked_model,
        was=f"{each.provider}/{each.model}",
        was_msat=each.charged_msat,
    )
    inward, outward = each.usage.input_tokens, each.usage.output_tokens
    if inward is None or outward is None:
        return replace(told, refused="nobody counted its tokens")
    wanted = _wanted(config, each, rules, Tokens(inward, outward))
    plan = chooser.plan(wanted)
    if not plan.candidates:
        reasons = [f"{r.endpoint.provider}: {r.reason}" for r in plan.rejected[:3]]
        return replace(told, refused="; ".join(reasons) or f"nobody serves {wanted.model!r} now")
    first = plan.candidates[0]
    place = f"{first.endpoint.provider}/{first.endpoint.model}"
    return replace(told, now=place, now_msat=first.msat)


def _wanted(config: RoutingConfig, each: Logged, rules: Rules, tokens: Tokens) -> Wanted:
    name = rules.policy if rules.policy is not None else each.policy or None
    known = {policy.name for policy in config.policies}
    if rules.policy is None and name not in known:
        name = None  # a policy that was taken out of the settings since
    ask = Ask(model=each.asked_model, size=0, policy=name)
    return Wanted(
        model=rules.model or (each.model if each.asked_model == ANY else each.asked_model),
        tokens=tokens,
        policy=policy_of(ask, config),
        strategy=rules.strategy or config.strategy,
    )
