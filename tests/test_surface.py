"""The public surface: these names, and nothing loaded before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import holdfast


def test_every_public_name_can_be_had() -> None:
    assert holdfast.__all__ == sorted(holdfast.__all__)
    assert all(getattr(holdfast, name) is not None for name in holdfast.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        holdfast.nope  # noqa: B018 - the access is the test


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import holdfast", "asyncio"),
        ("import holdfast.cli.main as m; m._build_parser(None)", "asyncio"),
        ("import holdfast.cli.list", "pydantic"),
        ("import holdfast.cli.list", "aiohttp"),
        ("import holdfast.cli.list", "yaml"),
        ("import holdfast.cli.list", "rich"),
        ("import holdfast.cli.validate", "aiohttp"),
    ],
)
def test_what_is_heavy_is_not_loaded_before_it_is_needed(code: str, heavy: str) -> None:
    probe = f"{code}; import sys; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
