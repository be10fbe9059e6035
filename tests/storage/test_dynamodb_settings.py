"""Addresses, credentials and the driver of a store on DynamoDB."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from holdfast.errors import UsageError
from holdfast.storage import open_store
from holdfast.storage.dynamodb import Address, DynamoStore, parse_address
from holdfast.storage.dynamodb import driver as driver_module
from holdfast.testing.clock import ManualClock
from tests.storage.dynamodb_help import clock

__all__ = ["clock"]  # a fixture


class TestSettings:
    async def test_no_credentials_are_told_with_the_remedy(
        self, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        forget_aws(monkeypatch, str(tmp_path / "none"))
        address = Address(table="table", region="eu-central-1", endpoint="http://127.0.0.1:9")
        with pytest.raises(UsageError, match="no AWS credentials") as caught:
            await DynamoStore(address, clock=clock).__aenter__()
        assert "AWS_PROFILE" in caught.value.hint

    async def test_no_region_is_told_with_the_remedy(
        self, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        forget_aws(monkeypatch, str(tmp_path / "none"))
        with pytest.raises(UsageError, match="no AWS region") as caught:
            await DynamoStore(Address(table="table"), clock=clock).__aenter__()
        assert "?region=" in caught.value.hint

    async def test_a_profile_that_is_missing_is_told(
        self, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        forget_aws(monkeypatch, str(tmp_path / "none"))
        monkeypatch.setenv("AWS_PROFILE", "absent")
        with pytest.raises(UsageError, match="absent"):
            await DynamoStore(Address(table="table", region="x"), clock=clock).__aenter__()

    def test_an_address_names_table_region_endpoint_and_prefix(self) -> None:
        assert parse_address("dynamodb://table") == Address(table="table")
        url = "dynamodb://my-table_1.x?region=eu-west-1&endpoint=http%3A%2F%2F[::1]:80&prefix=a/b"
        assert parse_address(url) == Address(
            table="my-table_1.x", region="eu-west-1", endpoint="http://[::1]:80", prefix="a/b"
        )

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("dynamodb:", "does not name a table"),
            ("dynamodb://", "does not name a table"),
            ("dynamodb:table", "does not name a table"),
            ("dynamodb://table/more", "does not name a table"),
            ("dynamodb://ab", "no name of a DynamoDB table"),
            ("dynamodb://tab%20le", "no name of a DynamoDB table"),
            ("dynamodb://table?regoin=x", "unknown setting 'regoin'"),
            ("dynamodb://table?endpoint=localhost:8000", "no address of a server"),
            ("dynamodb://table?endpoint=http://", "no address of a server"),
            ("dynamodb://table?endpoint=http://h:99999", "no address of a server"),
            ("dynamodb://table?prefix=" + "x" * 256, "too long"),
            ("dynamodb://table?prefix=a%00b", "not printable"),
        ],
    )
    def test_a_wrong_address_says_what_is_wrong(self, url: str, message: str) -> None:
        with pytest.raises(UsageError, match=message) as caught:
            open_store(url, clock=ManualClock())
        assert caught.value.hint

    @pytest.mark.parametrize(
        "url",
        [
            "dynamodb://key:secret@table",
            "dynamodb://table?endpoint=http://key:secret@host",
            "dynamodb://table?endpoint=http%3A%2F%2Fkey%3Asecret%40host",
        ],
    )
    def test_credentials_in_an_address_are_refused_and_not_repeated(self, url: str) -> None:
        with pytest.raises(UsageError, match="credentials") as caught:
            open_store(url, clock=ManualClock())
        assert "secret" not in caught.value.message + caught.value.hint

    def test_a_missing_driver_is_named_with_its_extra(self) -> None:
        probe = (
            "import sys; sys.modules['aiobotocore'] = None\n"
            "from holdfast.clock import SystemClock\n"
            "from holdfast.errors import UsageError\n"
            "from holdfast.storage import open_store\n"
            "try:\n"
            "    open_store('dynamodb://table', clock=SystemClock())\n"
            "except UsageError as error:\n"
            "    print(error.message, error.hint)\n"
        )
        shown = subprocess.run(
            [sys.executable, "-c", probe], check=True, capture_output=True, text=True
        )
        assert "aiobotocore" in shown.stdout
        assert "pip install 'holdfast[dynamodb]'" in shown.stdout

    def test_only_a_connection_that_was_never_made_has_sent_nothing(self) -> None:
        from aiohttp import ClientConnectorDNSError, ClientOSError
        from aiohttp.client_reqrep import ConnectionKey
        from botocore.exceptions import (
            ConnectTimeoutError,
            EndpointConnectionError,
            ReadTimeoutError,
        )

        key = ConnectionKey("h", 80, False, True, None, None, None, None)
        refused = ClientConnectorDNSError(key, OSError())
        for error, expected in (
            (EndpointConnectionError(endpoint_url="u", error=refused), True),
            (ConnectTimeoutError(endpoint_url="u", error=OSError()), True),
            (EndpointConnectionError(endpoint_url="u", error=ClientOSError()), False),
            (ReadTimeoutError(endpoint_url="u", error=OSError()), False),
        ):
            assert driver_module.was_never_sent(error) is expected


def forget_aws(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Leave the driver nowhere to find settings."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "PROFILE", "REGION", "DEFAULT_REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", missing)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", missing)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
