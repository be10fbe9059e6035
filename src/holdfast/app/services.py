"""Build what the nodes of a workflow need: a router over the providers, and tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from holdfast.clock import Clock, SystemClock
from holdfast.settings import Settings

if TYPE_CHECKING:
    from holdfast.agents.nodes import Services
    from holdfast.agents.workflow import Workflow
    from holdfast.routing.seam import Provider
    from holdfast.tracing.tracer import Tracer

    Exchange = Callable[[Sequence[Provider]], Sequence[Provider]]


def build_services(
    settings: Settings, tracer: Tracer, clock: Clock, exchange: Exchange | None = None
) -> Services:
    """Return what nodes need: a router over the configured providers and the extractor, tools.

    `exchange` gets the configured providers and returns those to ask instead.
    """
    from holdfast.agents.nodes import Services  # noqa: PLC0415
    from holdfast.agents.tools import TOOLS  # noqa: PLC0415
    from holdfast.agents.tools.seam import ToolContext  # noqa: PLC0415
    from holdfast.routing.providers.chat import ChatProvider  # noqa: PLC0415
    from holdfast.routing.providers.extract import ExtractProvider  # noqa: PLC0415
    from holdfast.routing.router import Router  # noqa: PLC0415

    configured: Sequence[Provider] = [
        ChatProvider(config, clock=clock) for config in settings.providers
    ]
    if exchange is not None:
        configured = exchange(configured)
    router = Router([*configured, ExtractProvider()], tracer)
    tools = settings.tools
    return Services(
        router=router,
        tools=TOOLS,
        tool_context=ToolContext(
            root=settings.root, readable=tools.read, writable=tools.write, hosts=tools.hosts
        ),
        default_model=settings.model or router.default_model(),
    )


def models_of(settings: Settings, workflow: Workflow) -> set[str]:
    """Return the models that the nodes of a workflow ask for.

    Raises:
        NoProvider: nobody serves one of them.
    """
    from holdfast.agents.workflow import ModelNode  # noqa: PLC0415
    from holdfast.tracing.tracer import Nowhere, Tracer  # noqa: PLC0415

    clock = SystemClock()
    services = build_services(settings, Tracer(clock=clock, sink=Nowhere()), clock)
    default = workflow.model or services.default_model
    models = {n.model or default for n in workflow.nodes.values() if isinstance(n, ModelNode)}
    for model in sorted(models):
        services.router.check_served(model)
    return models
