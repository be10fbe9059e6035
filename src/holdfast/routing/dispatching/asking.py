"""What the router is told of a request, whichever face it came through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from holdfast.errors import UsageError
from holdfast.frozen import frozen, replace
from holdfast.routing.config import RoutingConfig
from holdfast.routing.quality.checks import Check, fits
from holdfast.routing.quality.evidence import Prediction
from holdfast.routing.seam import Account, ModelRequest, Tier
from holdfast.routing.selection.choosing import ANY
from holdfast.routing.selection.policies import Policy, Strategy, find_policy

Complexity = Literal["low", "medium", "high"]
Purpose = Literal["check", "judge"]
_BYTES_A_TOKEN = 4
_BYTES_A_MESSAGE = 16


@frozen
class Ask:
    """A request for a model.

    `size` are the bytes of all that is sent, `opening` the first messages, which tell conversations
    apart, `last` the last message of the user. `policy`, `strategy` and `tier` are wishes of the
    caller; None leaves them to the configuration. `request_class` groups requests whose answers are
    about as long. `answers` are wanted to the one request, each within `max_tokens`. `first` is a
    provider and a model to ask before all others. `text` is that of all messages, for a
    request that leaves the choice of the model to us; `complexity` the caller's own word on it.

    `id` are 32 hexadecimal digits, made anew if it is empty. `check` says whether an answer is in the form
    that was asked for, `predicted` what was learned of requests like this one. `purpose` is what a request
    of our own is for: it is paid for only by what can be spared. `note` goes into the ledger.
    """

    model: str
    size: int
    opening: tuple[str, ...] = ()
    last: str = ""
    max_tokens: int | None = None
    answers: int = 1
    account: Account = Account()
    policy: str | None = None
    strategy: Strategy | None = None
    tier: Tier | None = None
    stream: bool = False
    request_class: str = ""
    first: tuple[str, str] | None = None
    text: str = ""
    messages: int = 1
    complexity: Complexity | None = None
    id: str = ""
    check: Check | None = None
    predicted: Mapping[str, Prediction] | None = None
    purpose: Purpose | None = None
    note: str = ""

    @property
    def input_tokens(self) -> int:
        """About how many tokens go in."""
        return -(-self.size // _BYTES_A_TOKEN)


def ask_of(request: ModelRequest, account: Account) -> Ask:
    """Return what is known of a request of a workflow or a program."""
    texts = [each.content for each in request.messages]
    users = [each.content for each in request.messages if each.role == "user"]
    return Ask(
        model=request.model,
        size=size_of(texts),
        opening=tuple(texts[:2]),
        last=users[-1] if users else "",
        max_tokens=request.max_tokens,
        account=account,
        request_class="structured" if request.output is not None else "text",
        check=fits(request.output) if request.output is not None and request.model == ANY else None,
        text="\n".join(texts) if request.model == ANY else "",
        messages=len(texts),
    )


def led_like(ask: Ask, other: Ask | None) -> Ask:
    """Return a request with the policy, the limits and the payer of another, and its purpose."""
    if other is None:
        return ask
    return replace(
        ask,
        last=other.last,
        account=other.account,
        policy=other.policy,
        strategy=other.strategy,
        tier=other.tier,
        purpose=other.purpose,
        request_class=other.request_class,
        note=other.note,
    )


def led_again(ask: Ask, before: Ask, place: tuple[str, str] | None) -> Ask:
    """Return a request that goes on with another, first at the place that answered that one.

    The words that chose the policy are those of the first: our own complaint must not lose them. The model
    stays as it was chosen.
    """
    if place is None:
        return before
    model = place[1] if before.model == ANY else ask.model
    return replace(led_like(ask, before), model=model, first=place, check=before.check)


def size_of(texts: Sequence[str]) -> int:
    """Return the bytes that texts are sent in, with what each message adds."""
    return sum(len(text.encode("utf-8", "replace")) + _BYTES_A_MESSAGE for text in texts)


def policy_of(ask: Ask, config: RoutingConfig) -> Policy:
    """Return the policy of a request: the one that it names, or the first that its words call for.

    Raises:
        UsageError: there is no policy of the name.
    """
    if ask.policy is None:
        return find_policy(config.policies, ask.last)
    for policy in config.policies:
        if policy.name == ask.policy:
            return policy
    known = ", ".join(repr(each.name) for each in config.policies) or "none"
    raise UsageError(
        f"there is no routing policy {ask.policy!r}", hint=f"policies of this project: {known}"
    )
