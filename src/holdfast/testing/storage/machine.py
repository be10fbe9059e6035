"""Random histories of one caller, on a store and on memory: the answers are the same.

Needs hypothesis. A backend gives one fixture and inherits::

    class TestMyMachine(MachineContract):
        @pytest.fixture
        def open_fresh(self, tmp_path: Path) -> OpenFresh:
            numbers = itertools.count()

            def fresh(clock: ManualClock) -> OpenAgain:
                path = tmp_path / str(next(numbers))
                return lambda: MyStore(path, clock=clock)

            return fresh
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from holdfast.storage.fallback import claim_due, write_all
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import (
    ABSENT,
    ANY,
    Append,
    Conflict,
    Delete,
    Erasing,
    Key,
    Listing,
    Operation,
    Put,
    Record,
    Store,
)
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.fixtures import OpenAgain

T = TypeVar("T")

OpenFresh = Callable[[ManualClock], OpenAgain]
"""Return, for a clock, an `OpenAgain` over data that nobody has written yet."""

_NAMES: list[Key] = [("a",), ("a", "b"), ("a", "c"), ("a", "d"), ("a:b",), ("a\x00",), ("b", "")]
_names = st.sampled_from(_NAMES)
_prefixes = st.sampled_from([(), ("a",), ("b",), ("c",)])
_values = st.binary(max_size=40)
_entries = st.lists(_values, max_size=3)
_expectations = st.sampled_from([*["current"] * 5, "any", "any", "absent", "stale", "future"])
# Few milliseconds, so that many records expire or fall due at the one that is tried.
_lifetimes = st.sampled_from([*[None] * 6, -1, 0, 1, 2, 3, 40])
_delays = st.sampled_from([None, None, -2, -1, 0, 0, 1, 1, 2, 3, 40])
_leases = st.sampled_from([-1, 0, 1, 2, 60])
_queues = st.sampled_from([*[("a",)] * 4, (), ("b",)])


class StoreMachine(RuleBasedStateMachine):
    """Every verb with every kind of expectation, on a store and on the oracle.

    Versions need not be equal; those of the store must grow where those of the oracle do.
    """

    def __init__(self, open_fresh: OpenFresh) -> None:
        super().__init__()
        self._clock = ManualClock()
        self._open_again = open_fresh(self._clock)
        self._runner = asyncio.Runner()
        self._oracle = self._run(MemoryStore(clock=self._clock).__aenter__())
        self._store = self._run(self._open_again().__aenter__())
        # For each key, what version of the store stands for a version of the oracle.
        self._versions: dict[Key, dict[int, int]] = {name: {ABSENT: ABSENT} for name in _NAMES}
        # The greatest number that an entry of a log ever had, also of those that were erased.
        self._numbers: dict[Key, int] = {}

    @rule(name=_names, value=_values, choice=_expectations, expires=_lifetimes, due=_delays)
    def put(
        self, name: Key, value: bytes, choice: str, expires: int | None, due: int | None
    ) -> None:
        """Put with and without times."""
        mine, theirs = self._expect_record(name, choice)
        times = {"expires_at": self._at(expires), "due_at": self._at(due)}
        expected = self._run(self._oracle.put(name, value, expected=theirs, **times))
        found = self._run(self._store.put(name, value, expected=mine, **times))
        self._same_result(name, expected, found)

    @rule(name=_names, choice=_expectations)
    def delete(self, name: Key, choice: str) -> None:
        """Delete."""
        mine, theirs = self._expect_record(name, choice)
        expected = self._run(self._oracle.delete(name, expected=theirs))
        found = self._run(self._store.delete(name, expected=mine))
        assert self._translated(name, expected) == found

    @rule(name=_names, values=_entries, choice=_expectations)
    def append(self, name: Key, values: list[bytes], choice: str) -> None:
        """Append; numbers of entries are equal in all stores."""
        expected = self._expect_log(name, choice)
        self._same(lambda store: store.append(name, values, expected=expected))

    @rule(name=_names, choice=_expectations)
    def erase(self, name: Key, choice: str) -> None:
        """Erase a log, where the store can."""
        if isinstance(self._store, Erasing):
            expected = self._expect_log(name, choice)
            theirs = self._run(self._oracle.erase(name, expected=expected))
            assert self._run(self._store.erase(name, expected=expected)) == theirs

    @rule(data=st.data(), chosen=st.lists(_names, unique=True, max_size=4))
    def batch(self, data: st.DataObject, chosen: list[Key]) -> None:
        """Write several, where the store can batch or the first refusal changes nothing."""
        pairs = [self._operation(data, name) for name in chosen]
        expected = self._run(write_all(self._oracle, [theirs for _, theirs in pairs]))
        if expected is not None and not hasattr(self._store, "batch"):
            # One by one would leave what went before; only the refused one is asked.
            pairs = [pairs[expected.index]]
            expected = Conflict(expected.current)
        found = self._run(write_all(self._store, [mine for mine, _ in pairs]))
        if expected is None:
            assert found is None
            self._learn_all()
            return
        refused = pairs[expected.index][0]
        place = None if isinstance(refused, Append) else refused.key
        current = self._versions[place][expected.current] if place else expected.current
        assert found == Conflict(current, expected.index)

    @rule(queue=_queues, lease=_leases)
    def claim(self, queue: Key, lease: int) -> None:
        """Claim from queues that are nested in one another."""
        until = self._clock.now_ms() + lease
        claims = [
            self._run(claim_due(store, queue, until=until, clock=self._clock))
            for store in (self._oracle, self._store)
        ]
        assert _bare(claims[:1]) == _bare(claims[1:])
        if claims[0] and claims[1]:
            self._learn(claims[0].key, claims[0].version, claims[1].version)

    @rule(prefix=_prefixes, after=st.one_of(st.none(), _names), limit=st.integers(0, 7))
    def scan(self, prefix: Key, after: Key | None, limit: int) -> None:
        """Read a page of records."""
        self._same_records(lambda store: store.scan(prefix, after=after, limit=limit))

    @rule(name=_names, after=st.integers(0, 9), limit=st.one_of(st.none(), st.integers(0, 4)))
    def read(self, name: Key, after: int, limit: int | None) -> None:
        """Read a page of a log."""
        self._same(lambda store: store.read(name, after=after, limit=limit))

    @rule(prefix=_prefixes, after=st.one_of(st.none(), _names), limit=st.integers(0, 7))
    def logs(self, prefix: Key, after: Key | None, limit: int) -> None:
        """Read a page of names, where the store can list."""
        if isinstance(self._store, Listing):
            expected = self._run(self._oracle.logs(prefix, after=after, limit=limit))
            assert list(expected) == list(
                self._run(self._store.logs(prefix, after=after, limit=limit))
            )

    @rule(milliseconds=st.sampled_from([1, 1, 2, 3, 60]))
    def wait(self, milliseconds: int) -> None:
        """Let records expire and become due."""
        self._clock.advance(milliseconds / 1000)

    @rule()
    def open_again(self) -> None:
        """Close the store and open it again."""
        self._run(self._store.__aexit__(None, None, None))
        self._store = self._run(self._open_again().__aenter__())

    @invariant()
    def all_records_are_the_same(self) -> None:
        """Compare everything but the logs."""
        self._same_records(lambda store: store.scan(()))

    def teardown(self) -> None:
        self._run(self._store.__aexit__(None, None, None))
        self._runner.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def _same(self, verb: Callable[[Store], Coroutine[Any, Any, object]]) -> None:
        expected, found = self._run(verb(self._oracle)), self._run(verb(self._store))
        assert _listed(expected) == _listed(found)

    def _same_records(self, verb: Callable[[Store], Coroutine[Any, Any, Sequence[Record]]]) -> None:
        expected, found = self._run(verb(self._oracle)), self._run(verb(self._store))
        assert _bare(expected) == _bare(found)
        for theirs, mine in zip(expected, found, strict=True):
            assert self._versions[theirs.key][theirs.version] == mine.version

    def _same_result(self, name: Key, expected: int | Conflict, found: int | Conflict) -> None:
        if isinstance(expected, Conflict):
            assert self._translated(name, expected) == found
            return
        assert isinstance(found, int)
        self._learn(name, expected, found)

    def _translated(self, name: Key, conflict: Conflict | None) -> Conflict | None:
        return conflict and Conflict(self._versions[name][conflict.current])

    def _learn(self, name: Key, theirs: int, mine: int) -> None:
        known = self._versions[name]
        assert mine > max(known.values())
        known[theirs] = mine

    def _learn_all(self) -> None:
        """Learn the versions behind a batch, which does not tell them."""
        for name in _NAMES:
            theirs, mine = self._run(self._oracle.get(name)), self._run(self._store.get(name))
            assert _bare([theirs]) == _bare([mine])
            if theirs and mine and theirs.version not in self._versions[name]:
                self._learn(name, theirs.version, mine.version)

    def _expect_record(self, name: Key, choice: str) -> tuple[int, int]:
        """Return the expectation in versions of the store and in those of the oracle."""
        record = self._run(self._oracle.get(name))
        current = record.version if record else ABSENT
        known = self._versions[name]
        match choice:
            case "current":
                return known[current], current
            case "any":
                return ANY, ANY
            case "absent":
                return ABSENT, ABSENT
            case "stale":
                stale = sorted(known)[max(len(known) - 2, 0)]
                return known[stale], stale
            case _:
                return max(known.values()) + 10**6, max(known) + 10**6

    def _expect_log(self, name: Key, choice: str) -> int:
        entries = self._run(self._oracle.read(name))
        last = entries[-1].number if entries else ABSENT
        known = self._numbers[name] = max(last, self._numbers.get(name, 0))
        stale = max(last - 1, 0) if entries else known
        choices = {"current": last, "any": ANY, "absent": ABSENT, "stale": stale}
        return choices.get(choice, last + 1)

    def _operation(self, data: st.DataObject, name: Key) -> tuple[Operation, Operation]:
        """Return an operation for the store and the same one for the oracle."""
        kind = data.draw(st.sampled_from(["put", "delete", "append"]))
        choice = data.draw(_expectations)
        if kind == "append":
            expected = self._expect_log(name, choice)
            append = Append(log=name, entries=data.draw(_entries), expected=expected)
            return append, append
        mine, theirs = self._expect_record(name, choice)
        if kind == "delete":
            return Delete(key=name, expected=mine), Delete(key=name, expected=theirs)
        value, expires_at = data.draw(_values), self._at(data.draw(_lifetimes))
        due_at = self._at(data.draw(_delays))

        def put(expected: int) -> Put:
            return Put(
                key=name, value=value, expected=expected, expires_at=expires_at, due_at=due_at
            )

        return put(mine), put(theirs)

    def _at(self, lifetime: int | None) -> int | None:
        return None if lifetime is None else self._clock.now_ms() + lifetime


def _bare(records: Sequence[Record | None]) -> list[object]:
    """Return records without their versions."""
    return [each and (each.key, each.value, each.expires_at, each.due_at) for each in records]


def _listed(answer: object) -> object:
    return list(cast("Sequence[object]", answer)) if isinstance(answer, Sequence) else answer


class MachineContract:
    """What one caller sees over random histories of verbs: the answers of memory."""

    examples = 60
    """Histories that are tried; a slow backend may lower it."""
    steps = 30
    """Verbs of each of them."""

    @pytest.fixture
    def open_fresh(self) -> OpenFresh:
        """Return what gives each example data of its own."""
        raise NotImplementedError("a backend's test class provides this fixture")

    def test_any_history_of_verbs_has_the_answers_of_memory(self, open_fresh: OpenFresh) -> None:
        # Any callable that makes a machine will do, though it is said to take the class.
        run_state_machine_as_test(
            cast("Any", lambda: StoreMachine(open_fresh)),
            settings=settings(
                max_examples=self.examples,
                stateful_step_count=self.steps,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
