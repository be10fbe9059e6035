"""OpenTelemetry's API with our provider behind it, for the length of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import context as api_context
from opentelemetry import trace as api
from opentelemetry.util._once import Once

from holdfast.clock import SystemClock
from holdfast.tracing.kept import Kept
from holdfast.tracing.otel.installing import install
from holdfast.tracing.tracer import Tracer


@pytest.fixture
def api_reset() -> Iterator[None]:
    """Forget which provider is set, before and after."""
    runtime = api_context._RUNTIME_CONTEXT
    provider, once = api._TRACER_PROVIDER, api._TRACER_PROVIDER_SET_ONCE
    api._TRACER_PROVIDER, api._TRACER_PROVIDER_SET_ONCE = None, Once()
    yield
    api._TRACER_PROVIDER, api._TRACER_PROVIDER_SET_ONCE = provider, once
    api_context._RUNTIME_CONTEXT = runtime


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def tracer(kept: Kept, api_reset: None) -> Tracer:
    """Return a tracer that is behind the API."""
    made = Tracer(clock=SystemClock(), sink=kept)
    assert install(made) == "provider"
    return made
