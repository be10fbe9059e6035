"""What may be asked where: policies by name or by words in the request, strategies, data classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from holdfast.frozen import frozen
from holdfast.routing.seam import TIERS, Tier
from holdfast.routing.selection.endpoints import Endpoint

Strategy = Literal["cheapest", "fastest", "balanced", "round_robin"]
STRATEGIES: Final[tuple[Strategy, ...]] = ("cheapest", "fastest", "balanced", "round_robin")
Privacy = Literal["local", "named", "anyone"]
PRIVACIES: Final[tuple[Privacy, ...]] = ("local", "named", "anyone")


@frozen
class Policy:
    """Limits and wishes for a kind of request.

    Empty `models` and `providers` allow all. `privacy` says where data may go: `local` never leaves
    the machine, `named` goes to `providers` only, `anyone` anywhere. `most_output_msat` is the most
    that a million tokens out may cost, `most_request_msat` the most that a request may be expected to.
    A request that names no policy gets the first one of whose `keywords` stands in its last message.
    `min_quality` is the share of the reference model's quality that `model: auto` must be shown to have.
    `cascade` lets a cheap model answer first where the answer can be checked: true, or the models in the
    order in which they are asked. `check` names a Python function that checks answers.
    """

    name: str = ""
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    privacy: Privacy = "anyone"
    strategy: Strategy | None = None
    most_output_msat: int | None = None
    most_request_msat: int | None = None
    tier: Tier | None = None
    keywords: tuple[str, ...] = ()
    min_quality: float | None = None
    reference: str | None = None
    cascade: bool | tuple[str, ...] = False
    check: str | None = None


FREE_CHOICE: Final = Policy()


def find_policy(policies: Sequence[Policy], last_message: str) -> Policy:
    """Return the first policy with a keyword in a message, upper and lower case alike."""
    if not any(each.keywords for each in policies):
        return FREE_CHOICE
    text = last_message.lower()
    found = (each for each in policies if any(word.lower() in text for word in each.keywords))
    return next(found, FREE_CHOICE)


def refusal(policy: Policy, endpoint: Endpoint, most_tier: Tier | None) -> str | None:
    """Return why a policy does not allow an endpoint, None if it does."""
    if policy.models and endpoint.model not in policy.models:
        return f"policy {policy.name!r} allows {', '.join(policy.models)} only"
    if policy.providers and endpoint.provider not in policy.providers:
        return f"policy {policy.name!r} allows the providers {', '.join(policy.providers)} only"
    if policy.privacy == "local" and not endpoint.traits.local:
        return f"policy {policy.name!r} keeps data on this machine"
    if policy.privacy == "named" and not policy.providers:
        return f"policy {policy.name!r} sends data to named providers only and names none"
    return _price_refusal(policy, endpoint) or _tier_refusal(policy, endpoint, most_tier)


def _price_refusal(policy: Policy, endpoint: Endpoint) -> str | None:
    cap = policy.most_output_msat
    if cap is None:
        return None
    if endpoint.price is None:
        return f"policy {policy.name!r} caps the price, and this one is unknown"
    if endpoint.price.output_msat_per_million > cap:
        return f"costs more out than the {cap / 1000:g} sat of policy {policy.name!r}"
    return None


def _tier_refusal(policy: Policy, endpoint: Endpoint, most_tier: Tier | None) -> str | None:
    for tier in (policy.tier, most_tier):
        if tier is not None and TIERS.index(endpoint.traits.tier) > TIERS.index(tier):
            return f"is of tier {endpoint.traits.tier}, above {tier}"
    return None
