"""Make the table when it is missing, know it, and refuse one that is not ours."""

from __future__ import annotations

import logging
from typing import Any

from holdfast.errors import StorageError
from holdfast.storage.dynamodb import errors
from holdfast.storage.dynamodb.endpoint import Endpoint
from holdfast.storage.dynamodb.items import Names, number

FORMAT = 1
INDEX = "due"

_KEYS = [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}]
_INDEX_KEYS = [
    {"AttributeName": "q", "KeyType": "HASH"},
    {"AttributeName": "u", "KeyType": "RANGE"},
]
_TYPES = dict.fromkeys("psqu", "S")
_SEEN_IN_INDEX = {"v", "e"}

_log = logging.getLogger(__name__)


async def prepare_table(endpoint: Endpoint, names: Names) -> None:
    """See to it that the table exists and holds a store of our format.

    Raises:
        StorageCorrupt: the table is another program's.
        StorageTooNew: the store has a format of the future.
    """
    table = await _describe(endpoint)
    if table is None:
        await _create(endpoint)
        table = await _describe(endpoint)
    if table is not None and not _is_ours(table):
        raise errors.foreign(endpoint.address)
    if table is None or table["TableStatus"] != "ACTIVE":
        await endpoint.wait_until_active()
    await _expire(endpoint)
    await _check_format(endpoint, names)


async def can_batch(endpoint: Endpoint, names: Names) -> bool:
    """Return whether the server has transactions; some that speak its protocol have none."""
    check = {
        "TableName": endpoint.address.table,
        "Key": names.format,
        "ConditionExpression": "attribute_exists(p)",
    }
    try:
        await endpoint.send("transact_write_items", TransactItems=[{"ConditionCheck": check}])
    except StorageError as error:
        if errors.is_unknown_operation(error):
            return False
        raise
    return True


async def _describe(endpoint: Endpoint) -> dict[str, Any] | None:
    try:
        return (await endpoint.call("describe_table"))["Table"]
    except StorageError as error:
        if errors.is_missing_table(error):
            return None
        raise


async def _create(endpoint: Endpoint) -> None:
    projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": sorted(_SEEN_IN_INDEX)}
    try:
        await endpoint.call(
            "create_table",
            KeySchema=_KEYS,
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": kind} for name, kind in _TYPES.items()
            ],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                {"IndexName": INDEX, "KeySchema": _INDEX_KEYS, "Projection": projection}
            ],
        )
    except StorageError as error:
        if not errors.is_existing_table(error):  # another process may have been faster
            raise
    await endpoint.wait_until_active()


def _is_ours(table: dict[str, Any]) -> bool:
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    indexes = {each["IndexName"]: each for each in table.get("GlobalSecondaryIndexes", ())}
    if table["KeySchema"] != _KEYS or INDEX not in indexes or not _TYPES.items() <= types.items():
        return False
    projection = indexes[INDEX]["Projection"]
    seen = set(projection.get("NonKeyAttributes", ()))
    return indexes[INDEX]["KeySchema"] == _INDEX_KEYS and (
        projection["ProjectionType"] == "ALL" or seen >= _SEEN_IN_INDEX
    )


async def _expire(endpoint: Endpoint) -> None:
    """Let the server clean up. Only space depends on it: readers know what has expired."""
    try:
        answer = await endpoint.call("describe_time_to_live")
        if answer["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED":
            setting = {"Enabled": True, "AttributeName": "t"}
            await endpoint.call("update_time_to_live", TimeToLiveSpecification=setting)
    except StorageError as error:
        _log.warning("what has expired stays in the %s: %s", endpoint.address, error)


async def _check_format(endpoint: Endpoint, names: Names) -> None:
    stored = await endpoint.get(names.format)
    if stored is None:
        try:
            await endpoint.call(
                "put_item",
                Item={**names.format, "v": number(FORMAT)},
                ConditionExpression="attribute_not_exists(p)",
            )
        except errors.ConditionFailed:
            stored = await endpoint.get(names.format)
    if stored is not None and int(stored["v"]["N"]) > FORMAT:
        raise errors.too_new(endpoint.address, int(stored["v"]["N"]), FORMAT)
