"""Turn what DynamoDB and its driver report into errors that say what to do."""

from __future__ import annotations

from holdfast.errors import (
    HoldfastError,
    OutcomeUnknown,
    StorageCorrupt,
    StorageError,
    StorageTooNew,
    StorageUnavailable,
    UsageError,
)
from holdfast.storage.dynamodb import driver
from holdfast.storage.dynamodb.address import Address
from holdfast.storage.dynamodb.items import Item

_ACTIONS = (
    "DescribeTable, CreateTable, DescribeTimeToLive, UpdateTimeToLive, GetItem, BatchGetItem, "
    "Query, PutItem, UpdateItem, DeleteItem and ConditionCheckItem"
)
_REFUSED_KEY = {
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_BUSY = {
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
}


class ConditionFailed(Exception):
    """A write was refused. `item` is what is stored, None if that is not told or is nothing."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition of a write does not hold")
        self.item = item


class Cancelled(Exception):
    """A transaction was refused. Each operation has a reason: its code, and what is stored."""

    def __init__(self, reasons: list[tuple[str, Item | None]]) -> None:
        super().__init__("a transaction was cancelled")
        self.reasons = reasons


def translate(error: Exception, address: Address) -> HoldfastError:
    """Return the error of ours for one of the driver."""
    if isinstance(error, HoldfastError):
        return error
    if isinstance(error, driver.ServerError):
        return _from_server(error, address)
    if isinstance(error, driver.NetworkError):
        return StorageUnavailable(
            f"the {address} does not answer ({type(error).__name__})",
            hint="check the network, the region and the endpoint, then retry",
        )
    return _from_settings(error, address)


def is_unclear(error: Exception) -> bool:
    """Return whether the server may have done what it was asked to."""
    if isinstance(error, driver.ServerError):
        return _status(error) >= 500
    if isinstance(error, driver.DriverError):
        return isinstance(error, driver.NetworkError) and not driver.was_never_sent(error)
    return not isinstance(error, HoldfastError)


def foreign(address: Address) -> StorageCorrupt:
    """Return the error for a table of another program."""
    return StorageCorrupt(
        f"the {address} has keys or an index of another program",
        hint="give the store a table of its own; this one was left untouched",
    )


def too_new(address: Address, found: int, known: int) -> StorageTooNew:
    """Return the error for a store with a format of the future."""
    return StorageTooNew(
        f"the store in the {address} has format {found}; this Holdfast knows {known}",
        hint="upgrade Holdfast, or open another store",
    )


def closed(address: Address) -> StorageUnavailable:
    """Return the error for a verb of a store that is not open."""
    return StorageUnavailable(
        f"the store in the {address} is not open", hint="use it inside `async with`"
    )


def unknown(address: Address, cause: Exception | None) -> OutcomeUnknown:
    """Return the error for a write that may or may not have been applied."""
    why = f" ({driver.code_of(cause) or type(cause).__name__})" if cause else ""
    return OutcomeUnknown(
        f"the answer to a write was lost, and it may have been applied, in the {address}{why}",
        hint="read what is stored and decide by that",
    )


def contended(address: Address) -> StorageUnavailable:
    """Return the error for a write that others kept from a state in which it could succeed."""
    return StorageUnavailable(
        f"a write to the {address} gave way to others too many times",
        hint="retry; if it stays, let fewer writers work on the same record",
    )


def _from_settings(error: Exception, address: Address) -> HoldfastError:
    if isinstance(error, driver.NoCredentials):
        return UsageError(
            f"there are no AWS credentials for the {address}",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or choose a profile of "
            "~/.aws with AWS_PROFILE; a local server takes any value",
        )
    if isinstance(error, driver.NoRegion):
        return UsageError(
            f"no AWS region is known for the {address}",
            hint="add '?region=eu-central-1' (or yours) to the address, or set AWS_DEFAULT_REGION",
        )
    if isinstance(error, driver.WrongSettings):
        return UsageError(
            f"the AWS settings for the {address} are wrong: {error}",
            hint="correct the address, AWS_PROFILE or the files in ~/.aws",
        )
    # The driver lets some errors of the HTTP client through as they are.
    return StorageUnavailable(
        f"a request to the {address} failed ({type(error).__name__})",
        hint="retry; if it stays, check the network and the settings of AWS",
    )


def _from_server(error: Exception, address: Address) -> HoldfastError:
    code = driver.code_of(error)
    if code in {"AccessDeniedException", "AccessDenied"}:
        return StorageUnavailable(
            f"AWS denies access to the {address}",
            hint=f"the role needs the actions {_ACTIONS} of DynamoDB on the table and its index",
        )
    if code in _REFUSED_KEY:
        return StorageUnavailable(
            f"AWS refuses the credentials for the {address} ({code})",
            hint="check the profile, renew a session that has ended, and check the clock",
        )
    if code == "ResourceNotFoundException":
        return StorageUnavailable(
            f"the {address} is gone",
            hint="check the region; opening the store again makes a new, empty table, so restore "
            "the old one from a backup first if it was deleted by mistake",
        )
    if code in _BUSY:
        return StorageUnavailable(
            f"the {address} is overloaded ({code})",
            hint="retry later; let the table bill on demand, or raise its capacity",
        )
    if _status(error) >= 500:
        return StorageUnavailable(
            f"the {address} failed at a request ({code})", hint="retry in a moment"
        )
    return StorageError(
        f"the {address} refused a request: {error}",
        hint="nothing of it was applied; what was acknowledged is stored",
    )


def is_missing_table(error: StorageError) -> bool:
    """Return whether an error says that there is no such table."""
    return driver.code_of(error.__cause__) == "ResourceNotFoundException"


def is_existing_table(error: StorageError) -> bool:
    """Return whether an error says that the table is there or being made."""
    return driver.code_of(error.__cause__) in {
        "ResourceInUseException",
        "TableAlreadyExistsException",
    }


def is_unknown_operation(error: StorageError) -> bool:
    """Return whether an error says that the server does not know the request."""
    return driver.code_of(error.__cause__) in {"UnknownOperationException", "UnknownOperation"}


def _status(error: Exception) -> int:
    return int(driver.answer_of(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
