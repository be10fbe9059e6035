"""The storage contract on an endpoint of DynamoDB that the environment names.

For DynamoDB Local, or for the real service with credentials in the environment::

    HOLDFAST_TEST_DYNAMODB=http://127.0.0.1:8000 pytest tests/storage/test_dynamodb_named.py

It uses prefixes of the table `holdfast-tests`, makes that, and leaves it. Claims are not held to
the contract here: it expects the index to follow the table at once, which the real one does not.
"""

from __future__ import annotations

import os

import pytest

from holdfast.storage.dynamodb import DynamoStore
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage import BatchContract, ListingContract, OpenAgain, StoreContract
from tests.servers.dynamodb import REGION, VARIABLE, DynamoServer

if VARIABLE not in os.environ:
    pytest.skip(f"{VARIABLE} names no endpoint", allow_module_level=True)

pytestmark = pytest.mark.service


class _Named:
    @pytest.fixture
    def open_again(self, clock: ManualClock) -> OpenAgain:
        region = os.environ.get("AWS_DEFAULT_REGION", REGION)
        server = DynamoServer(os.environ[VARIABLE], region=region, shared_table=True)
        address = server.address()
        return lambda: DynamoStore(address, clock=clock)


class TestNamed(_Named, StoreContract):
    pass


class TestNamedBatch(_Named, BatchContract):
    pass


class TestNamedListing(_Named, ListingContract):
    pass
