"""What all requests of a process share, and the plan of each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from holdfast.clock import Clock
from holdfast.errors import HoldfastError, NoProvider, UsageError
from holdfast.frozen import maker, replace
from holdfast.routing.breakers.board import Board
from holdfast.routing.config import RoutingConfig
from holdfast.routing.dispatching.asking import Ask, policy_of
from holdfast.routing.dispatching.modelling import choose
from holdfast.routing.dispatching.overseeing import Overseer
from holdfast.routing.ledger.entries import Cap, RequestStart, Scope
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.ledger.lengths import DEFAULT, Sample
from holdfast.routing.quality.checks import Check, all_of
from holdfast.routing.quality.evidence import Evidence, NoEvidence
from holdfast.routing.seam import Account, Provider
from holdfast.routing.selection.choosing import ANY, Chooser, Plan, Wanted
from holdfast.routing.selection.conversations import Conversations, conversation_key
from holdfast.routing.selection.endpoints import Catalogue, Endpoint, Offer
from holdfast.routing.selection.expected import Tokens
from holdfast.routing.selection.speed import Speeds
from holdfast.tracing.tracer import Tracer

_wanted, _cap = maker(Wanted), maker(Cap)
_LISTED = 20
"""How many models of a provider a message names."""
_MOST_MESSAGE = 300
"""Characters of a reason that are logged."""


class Dispatcher:
    """What all requests of a process share: endpoints, circuits, caches, speeds, the ledger.

    Without a ledger nothing is logged and no budget is kept.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        tracer: Tracer,
        *,
        config: RoutingConfig,
        clock: Clock,
        board: Board,
        ledger: Ledger | None = None,
    ) -> None:
        names = [provider.name for provider in providers]
        if len(set(names)) < len(names):
            raise UsageError(f"two providers have the same name: {', '.join(sorted(names))}")
        self.providers = {provider.name: provider for provider in providers}
        self.tracer = tracer
        self.config = config
        self.clock = clock
        self.board = board
        self.ledger = ledger
        self.speeds = Speeds()
        self.conversations = Conversations()
        self.evidence: Evidence = NoEvidence()
        self.overseer: Overseer | None = None
        self.checks: Mapping[str, Check] = {}
        """Functions of the project that check answers, by the name of the policy."""
        self.chooser = Chooser(
            Catalogue(offers_of(providers)), board, self.speeds, lambda: self.distrusted
        )

    @property
    def distrusted(self) -> Mapping[str, str]:
        """Providers that get no requests as they charged more than they quoted, and why."""
        return {} if self.ledger is None else self.ledger.distrusted

    def refresh(self) -> None:
        """Read the models and prices of all providers again."""
        self.chooser.catalogue = Catalogue(offers_of(self.providers.values()))

    async def renew(self) -> None:
        """Do what `refresh` does while requests go on: with many models it takes half a second."""
        renew = partial(self.chooser.catalogue.renewed, offers_of(self.providers.values()))
        self.chooser.catalogue = await asyncio.to_thread(renew)

    def wanted(self, ask: Ask) -> Wanted:
        """Return what is looked for: the request with its policy, its likely length and its caches.

        Where the choice of the model is left to us it is made here.
        """
        policy = policy_of(ask, self.config)
        likely = self.sample(ask, policy.name).quantile(0.5)
        if ask.max_tokens is not None:
            likely = min(likely, ask.max_tokens)
        key, now_ms = conversation_key(ask.account.owner, ask.opening), self.clock.now_ms()
        wanted = _wanted(
            model=ask.model,
            tokens=Tokens(ask.input_tokens, likely),
            conversation=key,
            policy=policy,
            strategy=ask.strategy or self.config.strategy,
            tier=ask.tier,
            cached=self.conversations.cached(key, now_ms),
            turns=self.conversations.turns(key, now_ms),
        )
        if ask.model != ANY:
            return wanted
        wanted = replace(wanted, check=self._check(ask, policy.name))
        plan = self.chooser.plan(wanted, explain=True)
        choice = choose(ask, wanted, plan, self.evidence, self.config.quality)
        return replace(wanted, model=choice.model, choice=choice)

    def plan(self, wanted: Wanted, *, explain: bool = False) -> Plan:
        """Return whom to ask, in order.

        Raises:
            NoProvider: nobody serves the model, or no endpoint that does may be asked.
        """
        plan = self.chooser.plan(wanted, explain=explain)
        if explain or plan.candidates or plan.waiting:
            return plan
        if plan.rejected:
            raise _all_rejected(wanted, plan, self.distrusted)
        raise self.unserved(wanted.model)

    def _check(self, ask: Ask, policy: str) -> Check | None:
        own = self.checks.get(policy) if self.checks else None
        if own is None or ask.check is None:
            return own or ask.check
        return all_of(ask.check, own)

    def sample(self, ask: Ask, policy: str) -> Sample:
        """Return how long answers to such a request were."""
        if self.ledger is None:
            return DEFAULT
        return self.ledger.lengths.sample(policy, ask.model, ask.request_class)

    def most_output(self, endpoint: Endpoint) -> int | None:
        """Return the most tokens that a model puts out, None if nobody says."""
        limits: Mapping[str, int] = getattr(self.providers[endpoint.provider], "limits", {})
        return limits.get(endpoint.model)

    def refuse(self, start: RequestStart, error: HoldfastError) -> None:
        """Log a request that is not let in."""
        if self.ledger is not None:
            self.ledger.refuse(start, error.message[:_MOST_MESSAGE])

    def caps(self, account: Account) -> list[Cap]:
        """Return the budgets that a request of an account is under."""
        budgets = self.config.budgets
        named = (
            ("total", "", budgets.total_msat),
            ("run", account.run_id, budgets.run_msat),
            ("owner", account.owner, budgets.owner_msat),
            ("key", account.key_id, budgets.key_msat),
        )
        return [
            _cap(scope=Scope(kind, name), limit_msat=limit)
            for kind, name, limit in named
            if limit is not None and (name or kind == "total")
        ]

    async def wait_for_change(self, seconds: float) -> None:
        """Return when a circuit changes its state, or after a while."""
        waiter = self.board.next_change()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(waiter)
        except TimeoutError:
            pass

    def unserved(self, model: str) -> NoProvider:
        """Return the error for a model that nobody serves; it names those that are meant."""
        from difflib import get_close_matches  # noqa: PLC0415 - only needed for a message

        providers = self.providers.values()
        known = [name for provider in providers for name in provider.models()]
        known += [f"{each.name}/{name}" for each in providers for name in each.models()]
        close = get_close_matches(model, dict.fromkeys(known))
        meant = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        listed = "; ".join(f"{each.name}: {_some(each.models())}" for each in providers)
        return NoProvider(
            f"no configured provider serves the model {model!r}{meant}",
            hint=f"configured: {listed or 'none'}. Add a model to the models of a provider in "
            "holdfast.toml, or a provider: a table [providers.NAME] with base_url, api_key and "
            "models",
        )


def _some(models: Sequence[str]) -> str:
    """Return the first models by name, and how many more there are."""
    more = f" and {len(models) - _LISTED} more" if len(models) > _LISTED else ""
    return (", ".join(models[:_LISTED]) or "any model") + more


def offers_of(providers: Iterable[Provider]) -> list[Offer]:
    """Return what providers offer at this moment."""
    return [
        Offer(
            each.name,
            each.traits,
            [(model, each.price(model)) for model in each.models()],
            takes_any=not each.models(),
            serves=each.serves,
            price_of=each.price,
        )
        for each in providers
    ]


def _all_rejected(wanted: Wanted, plan: Plan, distrusted: Mapping[str, str]) -> NoProvider:
    what = "any model" if wanted.model == ANY else f"the model {wanted.model!r}"
    reasons = "; ".join(
        f"{each.endpoint.provider}/{each.endpoint.model} {each.reason}"
        for each in plan.rejected[:5]
    )
    mend = "mend the policy in holdfast.toml"
    if all(each.endpoint.provider in distrusted for each in plan.rejected):
        mend = "`holdfast route trust PROVIDER` gives a provider another chance"
    return NoProvider(
        f"no endpoint may be asked for {what}: {reasons}",
        hint=f"`holdfast route explain` shows every candidate; {mend}",
    )
