"""Fixtures of the storage tests."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(
        f"holdfast.testing.storage_{part}"
        for part in ("batches", "logs", "races", "records", "scans")
    )
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
