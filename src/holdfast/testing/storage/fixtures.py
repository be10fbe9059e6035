"""The fixtures that every class of the contract has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from holdfast.storage.seam import Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import UnbatchedStore

OpenAgain = Callable[[], Store]
"""Return a store, not yet entered, over the same data each time."""


class StoreFixtures:
    """What the rules need; a backend replaces `open_again`.

    `open_again` returns the same object each time if only one handle can exist, as for a store
    in memory; the rules of several handles then use the one.
    """

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Run on asyncio only."""
        return "asyncio"

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Return the clock that the store must use; it begins years behind the real one."""
        return ManualClock()

    @pytest.fixture
    def open_again(self) -> OpenAgain:
        """Return a function that makes a store over the same data at every call."""
        raise NotImplementedError("a backend's test class provides this fixture")

    @pytest.fixture
    async def opened(self, open_again: OpenAgain) -> AsyncIterator[Store]:
        """Give an open store and close it behind the test."""
        async with open_again() as store:
            yield store

    @pytest.fixture
    def store(self, opened: Store) -> Store:
        """Return the store that is tested."""
        return self.wrap(opened)

    @pytest.fixture
    async def other(self, opened: Store, open_again: OpenAgain) -> AsyncIterator[Store]:
        """Give another open handle of the same data, as another process would have it."""
        again = open_again()
        if again is opened:
            yield self.wrap(again)
            return
        async with again:
            yield self.wrap(again)

    def wrap(self, store: Store) -> Store:
        """Return what the rules use in place of `store`."""
        return store


class WithoutAbilities:
    """Take all abilities from the store, so that the rules try the generic fallbacks.

    Name it before the fixtures and the rules::

        class TestMyStoreByFallback(WithoutAbilities, MyFixtures, ClaimFallbackContract):
            pass
    """

    def wrap(self, store: Store) -> Store:
        """Return the six verbs of `store` alone."""
        return UnbatchedStore(store)
