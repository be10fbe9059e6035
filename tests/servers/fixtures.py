"""Session fixtures for real servers; `tests/conftest.py` loads this as a plugin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.aimock import AimockServer, aimock_server
from tests.servers.llama import LlamaServer, llama_server


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    """A real model server with a tiny random model."""
    with llama_server(tmp_path_factory.mktemp("llama")) as server:
        yield server


@pytest.fixture(scope="session")
def aimock_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AimockServer]:
    with aimock_server(tmp_path_factory.mktemp("aimock")) as server:
        yield server


@pytest.fixture
def aimock(aimock_session: AimockServer) -> AimockServer:
    """A mock model server without fixtures; give it some with `answer`."""
    aimock_session.answer()
    return aimock_session
