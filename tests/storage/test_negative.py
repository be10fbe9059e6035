"""Negative controls: a store with a known fault does not pass the contract.

Each fault is named together with the rules that must find it; the same rules pass on a store
without the fault, so that the fault is the only reason for failing.
"""

from __future__ import annotations

import asyncio
import inspect
from contextlib import AsyncExitStack

import pytest

from holdfast.errors import StorageUnavailable
from holdfast.storage.memory import MemoryStore
from holdfast.testing.clock import ManualClock
from holdfast.testing.recording import Recorder, RecordingStore
from holdfast.testing.storage import restarts, watches
from tests.storage import negative_claims, negative_erasures, negative_handles, negative_records
from tests.storage.negative_rules import name_of

FAULTS = (negative_records, negative_handles, negative_claims, negative_erasures)
FOUND_BY = [row for module in FAULTS for row in module.FOUND_BY]
FOUND_BY_THE_MACHINE = [kind for module in FAULTS for kind in module.FOUND_BY_THE_MACHINE]


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (watches, restarts):
        monkeypatch.setattr(module, "DEADLINE", 0.3)


async def _run(kind, rule, **given) -> None:
    """Run a rule on a store of this kind, with the fixtures that it names."""
    clock = ManualClock()
    if inspect.isclass(kind):
        only = kind(clock=clock)
        open_again = lambda: only  # noqa: E731
    else:
        open_again = kind(clock)
    recorder = Recorder()
    async with AsyncExitStack() as opened:
        store = await opened.enter_async_context(open_again())
        other = open_again()
        if other is not store:
            await opened.enter_async_context(other)
        fixtures = {
            "clock": clock,
            "open_again": open_again,
            "opened": store,
            "store": store,
            "other": other,
            "recorder": recorder,
            "recorded": [RecordingStore(each, recorder) for each in (store, other)],
            **given,
        }
        await rule(**{name: fixtures[name] for name in inspect.signature(rule).parameters})


@pytest.mark.parametrize(("kind", "rule", "given"), FOUND_BY, ids=name_of)
async def test_a_store_with_a_fault_fails_the_rule_that_names_it(kind, rule, given) -> None:
    # pytest.raises that saw nothing raises this one too, which is no AssertionError.
    with pytest.raises((AssertionError, pytest.fail.Exception, TimeoutError, StorageUnavailable)):
        async with asyncio.timeout(5):
            await _run(kind, rule, **given)


@pytest.mark.parametrize(
    ("rule", "given"), {(rule, str(given)): (rule, given) for _, rule, given in FOUND_BY}.values()
)
async def test_the_faults_are_the_only_reason_for_failing(rule, given) -> None:
    await _run(MemoryStore, rule, **given)


def test_every_fault_has_a_rule_that_finds_it() -> None:
    faults = {
        value
        for module in FAULTS
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, MemoryStore) and value is not MemoryStore
    }
    found = {kind for kind, _, _ in FOUND_BY if inspect.isclass(kind)}
    assert faults == found | set(FOUND_BY_THE_MACHINE)
