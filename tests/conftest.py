"""Fixtures for all tests."""

pytest_plugins = ["holdfast.testing.storage", "holdfast.testing.crash", "tests.servers.fixtures"]
