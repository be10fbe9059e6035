"""SQLite against memory: any history of verbs has the same answers."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ABSENT, ANY, Append, Delete, Operation, Put, Store
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing.clock import ManualClock

Verb = Callable[[Store], Coroutine[Any, Any, object]]

NAMES = [("a",), ("a", "b"), ("a:b",), ("a\x00",), ("b", "")]
names = st.sampled_from(NAMES)
prefixes = st.sampled_from([(), ("a",), ("b",), ("c",)])
values = st.binary(max_size=40)
entries = st.lists(values, max_size=3)
# A number is added to what is stored now: 0 is the right expectation, others are stale.
expectations = st.one_of(st.just(0), st.just("any"), st.just("absent"), st.sampled_from([-1, 1]))
lifetimes = st.one_of(st.none(), st.integers(-1, 50))


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        self.runner = asyncio.Runner()
        self.oracle = self.run(MemoryStore(clock=self.clock).__aenter__())
        self.store = self.open()

    def open(self) -> SqliteStore:
        path = Path(self.folder.name) / "store.db"
        return self.run(SqliteStore(path, clock=self.clock, ack="memory").__aenter__())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def same(self, verb: Verb) -> None:
        assert self.run(verb(self.store)) == self.run(verb(self.oracle))

    def expect_record(self, name: tuple[str, ...], choice: int | str) -> int:
        record = self.run(self.oracle.get(name))
        return _expected(record.version if record else 0, choice)

    def expect_log(self, name: tuple[str, ...], choice: int | str) -> int:
        return _expected(len(self.run(self.oracle.read(name))), choice)

    def expires_at(self, lifetime: int | None) -> int | None:
        return None if lifetime is None else self.clock.now_ms() + lifetime

    @rule(name=names, value=values, choice=expectations, lifetime=lifetimes)
    def put(
        self, name: tuple[str, ...], value: bytes, choice: int | str, lifetime: int | None
    ) -> None:
        expected, expires_at = self.expect_record(name, choice), self.expires_at(lifetime)
        self.same(lambda store: store.put(name, value, expected=expected, expires_at=expires_at))

    @rule(name=names, choice=expectations)
    def delete(self, name: tuple[str, ...], choice: int | str) -> None:
        expected = self.expect_record(name, choice)
        self.same(lambda store: store.delete(name, expected=expected))

    @rule(name=names, values=entries, choice=expectations)
    def append(self, name: tuple[str, ...], values: list[bytes], choice: int | str) -> None:
        expected = self.expect_log(name, choice)
        self.same(lambda store: store.append(name, values, expected=expected))

    @rule(data=st.data(), chosen=st.lists(names, unique=True, max_size=4))
    def batch(self, data: st.DataObject, chosen: list[tuple[str, ...]]) -> None:
        operations = [self.operation(data, name) for name in chosen]
        answers = [self.run(store.batch(operations)) for store in (self.store, self.oracle)]
        assert answers[0] == answers[1]

    def operation(self, data: st.DataObject, name: tuple[str, ...]) -> Operation:
        kind = data.draw(st.sampled_from(["put", "delete", "append"]))
        choice = data.draw(expectations)
        if kind == "append":
            expected = self.expect_log(name, choice)
            return Append(log=name, entries=data.draw(entries), expected=expected)
        expected = self.expect_record(name, choice)
        if kind == "delete":
            return Delete(key=name, expected=expected)
        expires_at = self.expires_at(data.draw(lifetimes))
        return Put(key=name, value=data.draw(values), expected=expected, expires_at=expires_at)

    @rule(prefix=prefixes, after=st.one_of(st.none(), names), limit=st.integers(0, 6))
    def scan(self, prefix: tuple[str, ...], after: tuple[str, ...] | None, limit: int) -> None:
        self.same(lambda store: store.scan(prefix, after=after, limit=limit))

    @rule(name=names, after=st.integers(0, 6), limit=st.one_of(st.none(), st.integers(0, 4)))
    def read(self, name: tuple[str, ...], after: int, limit: int | None) -> None:
        self.same(lambda store: store.read(name, after=after, limit=limit))

    @rule(milliseconds=st.integers(0, 60))
    def wait(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds / 1000)

    @rule()
    def open_again(self) -> None:
        self.run(self.store.__aexit__(None, None, None))
        self.store = self.open()

    @invariant()
    def all_records_are_the_same(self) -> None:
        self.same(lambda store: store.scan(()))

    def teardown(self) -> None:
        self.run(self.store.__aexit__(None, None, None))
        self.runner.close()
        self.folder.cleanup()


def _expected(current: int, choice: int | str) -> int:
    if isinstance(choice, str):
        return {"any": ANY, "absent": ABSENT}[choice]
    # -1 would mean ANY, which is a choice of its own.
    return max(current + choice, 0)


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
