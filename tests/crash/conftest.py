"""Fixtures of the crash tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def apart() -> Iterator[Path]:
    """Give a folder to mount in, outside those that pytest removes by itself.

    If this run is killed, a later one must not trip over what is still mounted.
    """
    with TemporaryDirectory(prefix="holdfast-crash-") as folder:
        yield Path(folder)
