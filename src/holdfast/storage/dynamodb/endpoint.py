"""Talk to one table through the driver."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from holdfast.errors import StorageUnavailable
from holdfast.storage.dynamodb import driver, errors
from holdfast.storage.dynamodb.address import Address
from holdfast.storage.dynamodb.items import Item
from holdfast.storage.dynamodb.retries import RetryRules

_REPEATS = 3
_MOMENT_SECONDS = 1.0
_WRITES = {"delete_item", "put_item", "transact_write_items", "update_item"}
_LARGEST_PAGE = 10_000


class Endpoint:
    """A client of DynamoDB, and the table that all requests are about."""

    def __init__(self, address: Address, *, attempts: int, timeout: float) -> None:
        self.address = address
        self._attempts = attempts
        self._timeout = timeout
        self._exit = AsyncExitStack()
        self._client: Any = None

    async def open(self) -> None:
        """Make the client; nothing is sent yet.

        Raises:
            UsageError: no region is known, or a profile is wrong.
        """
        try:
            client = driver.make_client(
                self.address.region,
                self.address.endpoint,
                attempts=self._attempts,
                timeout=self._timeout,
            )
            self._client = await self._exit.enter_async_context(client)
        except driver.DriverError as error:
            raise errors.translate(error, self.address) from error
        rules = RetryRules(self.address, self._attempts)
        self._client.meta.events.register_first("needs-retry.dynamodb", rules)

    async def close(self) -> None:
        """Close the connections."""
        await self._exit.aclose()

    async def call(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Send a request about the table and return the answer.

        Raises:
            ConditionFailed: a write was refused.
            Cancelled: a transaction was refused.
            OutcomeUnknown: an update of a record may or may not have been applied.
            StorageError: anything else.
        """
        return await self.send(operation, TableName=self.address.table, **arguments)

    async def send(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Send a request as `call` does, with all of its arguments given.

        Who cancels a write usually knows then that it is over: it gets a moment to end.
        """
        if operation not in _WRITES:
            return await self._send(operation, arguments)
        writing = asyncio.ensure_future(self._send(operation, arguments))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing}, timeout=_MOMENT_SECONDS)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            raise

    async def wait_until_active(self) -> None:
        """Return once the table can be used."""
        waiter = self._client.get_waiter("table_exists")
        try:
            await waiter.wait(
                TableName=self.address.table, WaiterConfig={"Delay": 0.25, "MaxAttempts": 480}
            )
        except driver.WaitError as error:
            raise StorageUnavailable(
                f"the {self.address} did not become active in two minutes",
                hint="look at the state of the table in the AWS console, then retry",
            ) from error
        except (driver.ServerError, driver.DriverError) as error:
            raise errors.translate(error, self.address) from error

    async def get(self, key: Item, attributes: str | None = None) -> Item | None:
        """Return an item as it is now, or only some of its attributes."""
        chosen = {"ProjectionExpression": attributes} if attributes else {}
        answer = await self.call("get_item", Key=key, ConsistentRead=True, **chosen)
        return answer.get("Item")

    async def query(self, arguments: Mapping[str, Any], wanted: int | None) -> Sequence[Item]:
        """Return what matches in order, all pages read until there are `wanted` items."""
        request = dict(arguments)
        found: list[Item] = []
        if wanted is not None:
            request["Limit"] = min(wanted, _LARGEST_PAGE)
        while True:
            answer = await self.call("query", **request)
            found += answer["Items"]
            start = answer.get("LastEvaluatedKey")
            if not start or (wanted is not None and len(found) >= wanted):
                return found[:wanted]
            request["ExclusiveStartKey"] = start
            if wanted is not None:  # what a filter hides counts for the page
                request["Limit"] = min(request["Limit"] * 4, _LARGEST_PAGE)

    async def _send(self, operation: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        repeats = 1 if operation == "update_item" else _REPEATS
        for turn in range(1, repeats + 1):
            try:
                return await getattr(self._client, operation)(**arguments)
            except StorageUnavailable:
                raise  # from the rules
            except (driver.ServerError, driver.DriverError) as error:
                raise self._failure(operation, error) from error
            except Exception as error:
                # The HTTP client lost the answer while reading it, which the driver lets through.
                if turn == repeats:
                    raise self._failure(operation, error) from error
        raise AssertionError("unreachable")

    def _failure(self, operation: str, error: Exception) -> Exception:
        answer = driver.answer_of(error)
        match driver.code_of(error):
            case "ConditionalCheckFailedException":
                return errors.ConditionFailed(answer.get("Item"))
            case "TransactionCanceledException":
                reasons = answer.get("CancellationReasons", ())
                return errors.Cancelled(
                    [(reason.get("Code", "None"), reason.get("Item")) for reason in reasons]
                )
            case _:
                pass
        if operation in _WRITES and errors.is_unclear(error):
            return errors.unknown(self.address, error)
        return errors.translate(error, self.address)
