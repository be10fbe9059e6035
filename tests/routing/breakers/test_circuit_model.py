"""One circuit against a model of it that says the same in other words."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from holdfast.routing.breakers.rules import (
    CLOSED,
    Rules,
    admit,
    fail,
    force,
    judge,
    release,
    succeed,
)
from holdfast.routing.faults import COUNTED, Fault

START = 1_700_000_000_000
SCOPED = {Fault.AUTH: 600_000, Fault.PAYMENT: 300_000, Fault.MODEL: 600_000}
RULES = st.builds(
    Rules,
    failures=st.integers(1, 5),
    open_ms=st.integers(1, 60_000),
    growth=st.sampled_from((1.0, 1.5, 2.0, 10.0)),
    most_open_ms=st.integers(1, 200_000),
    jitter=st.sampled_from((0.0, 0.1, 1.0)),
    window=st.integers(1, 8),
    rate=st.sampled_from((0.0, 0.3, 0.5, 1.0)),
    permit_ms=st.integers(1, 100_000),
    healthy_ms=st.integers(1, 300_000),
    pause_ms=st.integers(0, 10_000),
    most_pause_ms=st.integers(0, 50_000),
)


@dataclass
class Model:
    """A circuit in plain words: what the rules promise, kept in things that change."""

    rules: Rules
    state: str = "closed"
    streak: int = 0
    outcomes: list[int] = field(default_factory=list)
    openings: int = 0
    until: int = 0
    paused: int = 0
    deadline: int = 0
    well_since: int = 0
    reason: Fault | None = None
    forced: str | None = None
    generation: object = field(default_factory=object)

    def is_ready(self, now: int) -> bool:
        if self.forced:
            return self.forced == "closed"
        waits = {"closed": 0, "open": self.until, "half_open": self.deadline}
        return now >= self.paused and now >= waits[self.state]

    def ask(self, now: int, *, early: bool) -> tuple[object, bool] | None:
        may_be_early = (
            early
            and self.state == "open"
            and not self.forced
            and self.reason not in SCOPED
            and now >= self.paused
        )
        if not self.is_ready(now) and not may_be_early:
            return None
        if self.forced == "closed" or self.state == "closed":
            return self.generation, False
        self.state, self.deadline, self.generation = (
            "half_open",
            now + self.rules.permit_ms,
            object(),
        )
        return self.generation, True

    def succeed(self, now: int, *, probe: bool) -> None:
        if probe:
            self.forget(now)
            return
        if not any(self.outcomes) and not self.openings:
            return  # nothing to get over: it is not even counted
        self.streak = 0
        self.note(0)
        self.rest(now)

    def fail(self, now: int, fault: Fault, *, probe: bool, jitter: float) -> None:
        if fault in SCOPED:
            self.open(fault, now + SCOPED[fault])
            return
        if fault not in COUNTED or (probe and now < self.until):
            self.give_back(probe=probe)
            return
        if not probe:
            self.rest(now)
        self.well_since = now
        self.streak += 1
        self.note(1)
        if probe or self.is_enough():
            length = min(
                self.rules.open_ms * self.rules.growth**self.openings, self.rules.most_open_ms
            )
            self.openings += 1
            self.open(fault, now + round(length * (1 + self.rules.jitter * jitter)))

    def pause(self, now: int, wanted: int | None, *, probe: bool) -> None:
        self.give_back(probe=probe)
        length = self.rules.pause_ms if wanted is None else max(wanted, 0)
        self.paused = max(self.paused, now + min(length, self.rules.most_pause_ms))

    def give_back(self, *, probe: bool) -> None:
        if probe:
            self.state, self.generation = "open", object()

    def force(self, now: int, forced: str | None) -> None:
        if forced is None:
            self.forget(now)
            self.openings = self.well_since = 0
        self.forced, self.generation = forced, object()

    def open(self, fault: Fault, until: int) -> None:
        self.state, self.reason, self.until, self.generation = "open", fault, until, object()
        self.outcomes = []

    def forget(self, now: int) -> None:
        self.state, self.streak, self.outcomes, self.generation = "closed", 0, [], object()
        self.well_since, self.paused = now, 0

    def note(self, failed: int) -> None:
        self.outcomes = [*self.outcomes, failed][-self.rules.window :]

    def rest(self, now: int) -> None:
        if now - self.well_since >= self.rules.healthy_ms:
            self.openings = 0

    def is_enough(self) -> bool:
        full = len(self.outcomes) == self.rules.window
        share = sum(self.outcomes) / self.rules.window
        by_rate = self.rules.rate > 0 and full and share >= self.rules.rate
        return self.streak >= self.rules.failures or by_rate


class CircuitMachine(RuleBasedStateMachine):
    """Any sequence of calls, outcomes in any order and however late, and hands that force."""

    permits = Bundle("permits")

    @initialize(rules=RULES)
    def begin(self, rules: Rules) -> None:
        self.limits, self.now = rules, START
        self.circuit, self.model = CLOSED, Model(rules)

    @rule(ms=st.integers(0, 5_000) | st.sampled_from((30_000, 60_000, 600_000)))
    def wait(self, ms: int) -> None:
        self.now += ms

    @rule()
    def wait_until_ready(self) -> None:
        self.now = max(self.now, judge(self.circuit, self.now).again_ms)

    @rule(target=permits, early=st.booleans())
    def ask(self, early: bool):
        self.circuit, permit = admit(self.circuit, self.now, self.limits, early=early)
        expected = self.model.ask(self.now, early=early)
        assert (permit is None) == (expected is None)
        if permit is None or expected is None:
            return multiple()
        assert permit.probe == expected[1]
        return permit, expected

    @rule(given_out=permits)
    def succeed(self, given_out) -> None:
        permit, (generation, probe) = given_out
        self.circuit = succeed(self.circuit, permit, self.now, self.limits)
        if self.counts(generation):
            self.model.succeed(self.now, probe=probe)

    @rule(
        given_out=permits,
        fault=st.sampled_from(sorted(set(Fault) - {Fault.RATE_LIMIT})),
        jitter=st.floats(0, 1),
    )
    def fail(self, given_out, fault: Fault, jitter: float) -> None:
        permit, (generation, probe) = given_out
        self.circuit = fail(
            self.circuit, permit, fault, self.now, self.limits, jitter=lambda: jitter
        )
        if self.counts(generation):
            self.model.fail(self.now, fault, probe=probe, jitter=jitter)

    @rule(given_out=permits, wanted=st.none() | st.integers(-1, 100_000))
    def be_limited(self, given_out, wanted: int | None) -> None:
        permit, (generation, probe) = given_out
        self.circuit = fail(
            self.circuit, permit, Fault.RATE_LIMIT, self.now, self.limits,
            jitter=lambda: 0.0, retry_after_ms=wanted,
        )  # fmt: skip
        if self.counts(generation):
            self.model.pause(self.now, wanted, probe=probe)

    @rule(given_out=permits)
    def give_back(self, given_out) -> None:
        permit, (generation, probe) = given_out
        self.circuit = release(self.circuit, permit, self.now)
        if generation is self.model.generation:
            self.model.give_back(probe=probe)

    @rule(forced=st.sampled_from(("open", "closed", None)))
    def force(self, forced) -> None:
        self.circuit = force(self.circuit, forced, self.now)
        self.model.force(self.now, forced)

    @invariant()
    def both_say_the_same(self) -> None:
        if not hasattr(self, "model"):
            return
        circuit, model = self.circuit, self.model
        verdict = judge(circuit, self.now)
        assert verdict.ready == model.is_ready(self.now)
        assert (circuit.state, circuit.forced) == (model.state, model.forced)
        assert circuit.openings == model.openings
        if circuit.state == "closed":
            assert circuit.failures == model.streak
        if not verdict.ready:
            assert verdict.again_ms > self.now
            assert verdict.reason
        if circuit.state == "open" and circuit.forced is None:
            assert circuit.until_ms == model.until
            longest = max(self.limits.most_open_ms * (1 + self.limits.jitter), *SCOPED.values())
            assert circuit.until_ms - self.now <= longest + 1

    def counts(self, generation: object) -> bool:
        return generation is self.model.generation and self.model.forced is None


TestCircuit = CircuitMachine.TestCase
TestCircuit.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
