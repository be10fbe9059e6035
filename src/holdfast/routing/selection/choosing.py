"""Order the endpoints that may serve a request, and say of every other why it may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any, Final, cast

from holdfast.frozen import NamedTuple, field, frozen
from holdfast.routing.breakers.board import Board, Place
from holdfast.routing.breakers.rules import READY, Verdict
from holdfast.routing.quality.checks import Check
from holdfast.routing.quality.choices import Choice
from holdfast.routing.seam import Tier
from holdfast.routing.selection.endpoints import Catalogue, Endpoint
from holdfast.routing.selection.expected import Expectation, Tokens, expect, take_apart
from holdfast.routing.selection.policies import FREE_CHOICE, Policy, Strategy, refusal

ANY: Final = "auto"
"""The model of a request that leaves the choice to us."""

_ENOUGH: Final = 8


@frozen
class Wanted:
    """What is known of a request when an endpoint is chosen.

    `model` is a name, `PROVIDER/MODEL` or `ANY`. `conversation` is the key of the conversation that it
    belongs to; `cached` says how many tokens of that a place still holds and `turns` how many more are expected of it, `tier` the highest tier that may
    be asked. `choice` says how the model was chosen, if it was us, and `check` whether an answer will do.
    """

    model: str
    tokens: Tokens
    conversation: bytes = b""
    policy: Policy = FREE_CHOICE
    strategy: Strategy = "cheapest"
    tier: Tier | None = None
    cached: Mapping[Place, int] = field(default_factory=dict[Place, int])
    turns: int = 0
    choice: Choice | None = None
    check: Check | None = None


_Members = tuple[float, int, Endpoint, float, Verdict]


class Candidate(NamedTuple):
    """An endpoint that may be asked. Candidates sort by weight, then in their configured order.

    `cost` is the expected cost of the request in msat, infinite where no price is known; `weight` adds
    what the turns to come would cost there, so that a cache that is worth its price is built up.
    """

    weight: float
    order: int
    endpoint: Endpoint
    cost: float
    verdict: Verdict = READY

    @property
    def msat(self) -> float | None:
        """The expected cost, None where no price is known."""
        return None if self.cost == inf else self.cost


_candidate: Callable[[_Members], Candidate] = partial(cast("Any", tuple).__new__, Candidate)
"""Makes a candidate of all its members in a third of the time."""


class Rejected(NamedTuple):
    """An endpoint that may not be asked, and why."""

    endpoint: Endpoint
    reason: str


class Plan(NamedTuple):
    """Endpoints in the order in which they are asked, and those whose circuits are open."""

    candidates: Sequence[Candidate]
    waiting: Sequence[Candidate]
    rejected: Sequence[Rejected] = ()


class Chooser:
    """Choose among the endpoints of a catalogue by what is known of them.

    `speed` gives the expected milliseconds of an answer at a place, None if it was never asked;
    `distrusted` the providers that get no requests, and why.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        board: Board,
        speed: Callable[[Place, int], float | None],
        distrusted: Callable[[], Mapping[str, str]] = dict[str, str],
    ) -> None:
        self.catalogue = catalogue
        self._board = board
        self._speed = speed
        self._distrusted = distrusted
        self._turn = 0

    def plan(self, wanted: Wanted, *, explain: bool = False) -> Plan:
        """Return whom to ask, in order. With `explain` every endpoint is named."""
        if wanted.model == ANY:
            return self._plan_any(wanted, explain=explain)
        return self._weigh(self.catalogue.named(wanted.model), wanted)

    def parts(self, endpoint: Endpoint, wanted: Wanted) -> Expectation | None:
        """Return the parts of an endpoint's expected cost."""
        if endpoint.rates is None:
            return None
        place = endpoint.place
        return take_apart(
            endpoint.rates, wanted.tokens, wanted.cached.get(place, 0), self._failing(place)
        )

    def _plan_any(self, wanted: Wanted, *, explain: bool) -> Plan:
        if explain or _strategy(wanted) != "cheapest":
            return self._weigh(self.catalogue.models(), wanted)
        seen: list[Endpoint] = []
        plan = Plan((), ())
        for layer in self.catalogue.layers(with_cache=wanted.turns > 0):
            seen.extend(layer)
            plan = self._weigh(seen, wanted)
            # All of this layer are free and as good as their price: nothing behind is cheaper.
            if layer and len(plan.candidates) == len(seen) and self._is_clean(layer):
                break
        held = [e for p in wanted.cached for e in self.catalogue.named(p.model) if e.place == p]
        return self._weigh({e.place: e for e in (*seen, *held)}.values(), wanted) if held else plan

    def _is_clean(self, layer: Sequence[Endpoint]) -> bool:
        return not any(self._failing(each.place) for each in layer)

    def _weigh(self, endpoints: Iterable[Endpoint], wanted: Wanted) -> Plan:
        limited = wanted.policy is not FREE_CHOICE or wanted.tier is not None
        if limited or wanted.turns or wanted.cached or self._board.troubled or self._distrusted():
            return self._weigh_each(endpoints, wanted, limited=limited)
        return Plan(self._order(_by_price(endpoints, wanted.tokens), wanted), ())

    def _weigh_each(self, endpoints: Iterable[Endpoint], wanted: Wanted, *, limited: bool) -> Plan:
        free: list[Candidate] = []
        waiting: list[Candidate] = []
        rejected: list[Rejected] = []
        cached, tokens, turns = wanted.cached, wanted.tokens, wanted.turns
        distrusted, troubled = self._distrusted(), self._board.troubled
        for endpoint in endpoints:
            place, rates = endpoint.place, endpoint.rates
            if distrusted and place.provider in distrusted:
                why = f"is distrusted: {distrusted[place.provider]}"
                rejected.append(Rejected(endpoint, why))
                continue
            trouble = bool(troubled) and place.provider in troubled
            cost = weight = inf
            if rates is not None:
                held = cached.get(place, 0) if cached else 0
                failing = self._failing(place) if trouble else 0.0
                cost = weight = expect(rates, tokens, held, failing)
                if turns:
                    weight += turns * expect(rates, tokens, tokens.inward, failing)
            if limited and (why := _why_not(endpoint, cost, wanted)):
                rejected.append(Rejected(endpoint, why))
                continue
            candidate = _candidate((weight, endpoint.order, endpoint, cost, READY))
            if trouble and not (verdict := self._board.judge(place)).ready:
                waiting.append(candidate._replace(verdict=verdict))
            else:
                free.append(candidate)
        if waiting:
            waiting.sort(key=lambda each: each.verdict.again_ms)
        return Plan(self._order(free, wanted), waiting, rejected)

    def _order(self, free: list[Candidate], wanted: Wanted) -> Sequence[Candidate]:
        if len(free) < 2:
            return free
        match _strategy(wanted):
            case "cheapest":
                free.sort()
            case "fastest":
                free.sort(key=lambda each: (self._milliseconds(each, wanted), each))
            case "balanced":
                return self._balance(free, wanted)
            case "round_robin":
                free.sort(key=lambda each: each.endpoint.place)
                first = self._turn % len(free)
                self._turn += 1
                return free[first:] + free[:first]
        return free

    def _balance(self, free: list[Candidate], wanted: Wanted) -> Sequence[Candidate]:
        """Order by cost and time, each as a multiple of the best there is."""
        costs = [each.weight for each in free if 0 < each.weight < inf]
        times = [self._milliseconds(each, wanted) for each in free]
        cheapest, quickest = min(costs, default=1.0), min((t for t in times if t), default=1.0)

        def score(each: Candidate) -> tuple[float, int]:
            time = self._milliseconds(each, wanted) / quickest
            return (each.weight / cheapest + time, each.order)

        return sorted(free, key=score)

    def _milliseconds(self, candidate: Candidate, wanted: Wanted) -> float:
        # One that was never asked counts as quick, so that it gets its chance.
        return self._speed(candidate.endpoint.place, wanted.tokens.outward) or 0.0

    def _failing(self, place: Place) -> float:
        circuit = self._board.circuit(place)
        if not circuit.history:
            return 0.0
        return circuit.history.bit_count() / max(circuit.seen, _ENOUGH)


def _by_price(endpoints: Iterable[Endpoint], tokens: Tokens) -> list[Candidate]:
    """Return endpoints as `_weigh_each` does where nothing but the price tells them apart."""
    return [
        _candidate(
            (
                cost := inf if each.rates is None else expect(each.rates, tokens),
                each.order,
                each,
                cost,
                READY,
            )
        )
        for each in endpoints
    ]


def _strategy(wanted: Wanted) -> Strategy:
    return wanted.policy.strategy or wanted.strategy


def _why_not(endpoint: Endpoint, cost: float, wanted: Wanted) -> str | None:
    return refusal(wanted.policy, endpoint, wanted.tier) or _too_dear(wanted.policy, cost)


def _too_dear(policy: Policy, cost: float) -> str | None:
    cap = policy.most_request_msat
    if cap is None:
        return None
    if cost == inf:
        return f"policy {policy.name!r} caps what a request costs, and this price is unknown"
    if cost > cap:
        return f"would cost about {cost / 1000:.3f} sat, more than policy {policy.name!r} allows"
    return None
