"""The DynamoDB backend: one table, conditional writes, transactions for batches only."""

from __future__ import annotations

from holdfast.storage.dynamodb.address import Address, parse_address
from holdfast.storage.dynamodb.store import DynamoStore

__all__ = ["Address", "DynamoStore", "parse_address"]
