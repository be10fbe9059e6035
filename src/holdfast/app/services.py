"""Build what the nodes of a workflow need: a router over the providers, and tools."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from holdfast.app.discovering import keeping_models
from holdfast.app.overseeing import overseeing
from holdfast.app.places import faces_folder
from holdfast.app.wallets import paid_provider, with_accepted
from holdfast.clock import Clock, SystemClock
from holdfast.settings import Settings

if TYPE_CHECKING:
    from holdfast.agents.nodes import Services
    from holdfast.agents.workflow import Workflow
    from holdfast.routing.breakers.board import Board
    from holdfast.routing.config import ProviderConfig
    from holdfast.routing.dialects.seam import Dialect
    from holdfast.routing.ledger.ledger import Ledger
    from holdfast.routing.providers.learned import Learned
    from holdfast.routing.router import Router
    from holdfast.routing.seam import Provider
    from holdfast.tracing.billing.money import Exchange as Money
    from holdfast.tracing.tracer import Tracer

    Exchange = Callable[[Sequence[Provider]], Sequence[Provider]]


def build_services(
    settings: Settings,
    tracer: Tracer,
    clock: Clock,
    exchange: Exchange | None = None,
    ledger: Ledger | None = None,
    owner: str = "",
) -> Services:
    """Return what nodes need: a router over the configured providers and the extractor, tools.

    `exchange` gets the configured providers and returns those to ask instead. Without a ledger no call
    is logged and no budget kept.
    """
    from holdfast.agents.nodes import Services  # noqa: PLC0415
    from holdfast.agents.tools import TOOLS  # noqa: PLC0415
    from holdfast.agents.tools.seam import ToolContext  # noqa: PLC0415

    router = build_router(settings, tracer, clock, exchange, ledger)
    tools = settings.tools
    return Services(
        router=router,
        tools=TOOLS,
        tool_context=ToolContext(
            root=settings.root, readable=tools.read, writable=tools.write, hosts=tools.hosts
        ),
        default_model=settings.model or router.default_model(),
        owner=owner,
    )


@asynccontextmanager
async def open_services(
    settings: Settings, tracer: Tracer, clock: Clock, exchange: Exchange | None, owner: str
) -> AsyncGenerator[Services]:
    """Build what nodes need, with a ledger where there are providers that may cost, and close it."""
    settings = with_accepted(settings)
    async with AsyncExitStack() as stack:
        ledger = None
        if settings.providers:
            ledger = await stack.enter_async_context(open_ledger(settings))
        services = build_services(settings, tracer, clock, exchange, ledger, owner)
        stack.push_async_callback(services.router.close)
        dispatcher = services.router.dispatcher
        await stack.enter_async_context(keeping_models(settings, dispatcher, clock))
        await stack.enter_async_context(overseeing(settings, services.router, clock))
        yield services


def build_router(
    settings: Settings,
    tracer: Tracer,
    clock: Clock,
    exchange: Exchange | None = None,
    ledger: Ledger | None = None,
    learned: Learned | None = None,
) -> Router:
    """Return a router over the configured providers and the extractor.

    What is known of the configured providers is kept in the project and shared with its other processes
    (`learned` is what was opened of it already); what `exchange` puts in their place is judged anew each time.

    Raises:
        StorageTooNew: a newer version wrote what is known of them.
    """
    from holdfast.app.traces import exchange_of  # noqa: PLC0415
    from holdfast.routing.providers.extract import ExtractProvider  # noqa: PLC0415
    from holdfast.routing.router import Router  # noqa: PLC0415

    money = exchange_of(settings)
    if learned is None and settings.providers and exchange is None:
        learned = learned_of(settings, clock)
    configured: Sequence[Provider] = [
        provider_of(config, clock, money, learned)
        if config.prepaid is None
        else paid_provider(settings, config, clock, ledger, money, learned)
        for config in settings.providers
    ]
    board = None
    if exchange is not None:
        configured = exchange(configured)
    elif configured:
        board = _kept_board(settings, clock)
    return Router(
        [*configured, ExtractProvider()],
        tracer,
        config=settings.routing,
        clock=clock,
        board=board,
        ledger=ledger,
    )


def _kept_board(settings: Settings, clock: Clock) -> Board | None:
    from random import random  # noqa: PLC0415

    from holdfast.routing.breakers.keeping import keep  # noqa: PLC0415 - only where models are asked
    from holdfast.routing.breakers.rules import Rules  # noqa: PLC0415

    folder = faces_folder(settings)
    if folder is None:
        return None
    rules = settings.routing.breaker if settings.routing else Rules()
    return keep(folder / "breakers.json", rules, now_ms=clock.now_ms, jitter=random)


def learned_of(settings: Settings, clock: Clock) -> Learned | None:
    """Return what the project knows of its endpoints, None without a place for it."""
    from holdfast.routing.providers.learned import Learned  # noqa: PLC0415 - as above

    folder = faces_folder(settings)
    return None if folder is None else Learned(clock, folder / "habits.json")


def ledger_path(settings: Settings) -> Path | None:
    """Return where the ledger of a project lies, None for a store that is gone with the process."""
    folder = faces_folder(settings)
    return folder / "ledger.db" if folder else None


@asynccontextmanager
async def open_ledger(settings: Settings) -> AsyncGenerator[Ledger | None]:
    """Open the ledger of a project; there is none without a place for it."""
    from holdfast.app.traces import exchange_of  # noqa: PLC0415
    from holdfast.routing.ledger.ledger import Ledger  # noqa: PLC0415 - only where models are asked

    path = ledger_path(settings)
    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    async with await Ledger.open(
        path, ack=settings.ledger_ack, exchange=exchange_of(settings)
    ) as ledger:
        yield ledger


def provider_of(
    config: ProviderConfig, clock: Clock, money: Money | None, learned: Learned | None = None
) -> Provider:
    """Return what asks a configured endpoint."""
    from holdfast.routing.config import LITELLM  # noqa: PLC0415

    if config.kind == LITELLM:
        from holdfast.routing.providers.foreign.provider import ForeignProvider  # noqa: PLC0415

        return ForeignProvider(config, clock=clock, money=money, learned=learned)
    from holdfast.routing.providers.chat import ChatProvider  # noqa: PLC0415

    dialect = _dialect_of(config.kind)
    return ChatProvider(config, clock=clock, dialect=dialect, money=money, learned=learned)


def _dialect_of(kind: str) -> Dialect | None:
    """Return the dialect of a wire format; None is OpenAI's, which fits itself to its endpoint."""
    match kind:
        case "anthropic":
            from holdfast.routing.dialects.anthropic import Anthropic  # noqa: PLC0415

            return Anthropic()
        case "gemini":
            from holdfast.routing.dialects.gemini import Gemini  # noqa: PLC0415

            return Gemini()
        case "ollama":
            from holdfast.routing.dialects.ollama import Ollama  # noqa: PLC0415

            return Ollama()
        case _:
            return None


class Needs(NamedTuple):
    """The models that a workflow asks for, and the configured providers that may serve any of them."""

    models: set[str]
    providers: list[ProviderConfig]


def needs_of(settings: Settings, workflow: Workflow) -> Needs:
    """Return what the model nodes of a workflow need.

    Raises:
        NoProvider: nobody serves one of its models.
    """
    from holdfast.agents.workflow import ModelNode  # noqa: PLC0415
    from holdfast.tracing.tracer import Tracer  # noqa: PLC0415

    clock = SystemClock()
    services = build_services(settings, Tracer(clock=clock), clock)
    default = workflow.model or services.default_model
    models = {n.model or default for n in workflow.nodes.values() if isinstance(n, ModelNode)}
    asked = {name for model in sorted(models) for name in services.router.served_by(model)}
    return Needs(models, [each for each in settings.providers if each.name in asked])
