"""The composition root: turn settings into a store, a tracer, a router, an engine.

The only place that wires. What is heavy is imported where it is needed, so that a command that
only looks into the store never pays for the rest.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from holdfast.clock import Clock, SystemClock
from holdfast.errors import UsageError, WorkflowChanged
from holdfast.frozen import frozen
from holdfast.settings import Settings
from holdfast.storage.opening import open_store
from holdfast.storage.seam import Store

if TYPE_CHECKING:
    from holdfast.agents.nodes import Services
    from holdfast.agents.workflow import Workflow
    from holdfast.engine.embedded import EmbeddedEngine
    from holdfast.engine.history import History
    from holdfast.engine.holders import Holder
    from holdfast.engine.liveness import Liveness
    from holdfast.engine.seam import Observer, Program
    from holdfast.memory.memories import Memories
    from holdfast.memory.vectors import Embedder
    from holdfast.tracing.tracer import Tracer

T = TypeVar("T")
WORKFLOW = "workflow"
"""The name of the program that interprets workflow files."""


@frozen
class Runtime:
    """Everything that is needed to run workflows, open and wired."""

    settings: Settings
    store: Store
    engine: EmbeddedEngine
    services: Services

    async def start_workflow(
        self, workflow: Workflow, inputs: Mapping[str, object], *, origin: str
    ) -> str:
        """Check the inputs, create a run of the workflow, begin to work on it; return its id.

        Raises:
            InputError: inputs are missing, unknown or of the wrong type.
        """
        from holdfast.agents.inputs import check_inputs  # noqa: PLC0415

        return await self.engine.start(
            WORKFLOW,
            check_inputs(workflow, inputs),
            name=workflow.name,
            definition=workflow.source.encode(),
            origin=origin,
            timeout=workflow.timeout,
        )

    async def resume_workflow(self, run_id: str, *, use: str | None = None) -> None:
        """Take a run over and go on with it.

        `use` is `"stored"` to go on with the workflow as it was, `"edited"` with the file as it is.

        Raises:
            WorkflowChanged: the file was edited since, and `use` does not say what to do.
            WorkflowInvalid: the workflow that is to be used has problems.
        """
        history = await self.engine.history(run_id)
        if history.birth.program != WORKFLOW or history.ended_at is not None:
            return await self.engine.resume(run_id)
        chosen = await self.choose_workflow(history, use)
        return await self.engine.resume(run_id, definition=chosen.source.encode())

    async def fork_workflow(
        self, run_id: str, *, node: str | None = None, use: str | None = None
    ) -> str:
        """Start a new run with the finished steps of another, and return its id.

        With `node`, that node and everything behind it is done anew. `use` is as in
        `resume_workflow`.

        Raises:
            UsageError: the workflow has no such node, or the run is not one of a workflow file.
        """
        from holdfast.agents.plan import behind  # noqa: PLC0415
        from holdfast.agents.run import plan_of  # noqa: PLC0415

        history = await self.engine.history(run_id)
        if history.birth.program != WORKFLOW:
            raise UsageError(f"run {run_id[:8]} is one of the program {history.birth.program!r}")
        workflow = await self.choose_workflow(history, use)
        if node is not None and node not in workflow.nodes:
            known = ", ".join(workflow.nodes)
            raise UsageError(f"the workflow has no node {node!r}", hint=f"its nodes: {known}")
        anew = behind(plan_of(workflow), node) if node is not None else frozenset[str]()
        return await self.engine.fork(
            run_id,
            keep=lambda path: path.partition("[")[0] not in anew,
            definition=workflow.source.encode(),
        )

    async def choose_workflow(self, history: History, use: str | None) -> Workflow:
        """Return the workflow that a run goes on with; `use` is as in `resume_workflow`.

        Raises:
            WorkflowChanged: the file was edited since, and `use` does not say what to do.
            WorkflowInvalid: the workflow that is to be used has problems.
            UsageError: the edited file is to be used, and there is none.
        """
        origin, stored = history.birth.origin, await self.definition_of(history)
        edited = _read_again(origin)
        if edited is None and use == "edited":
            raise UsageError(
                f"the workflow file {origin!r} of run {history.birth.id[:8]} cannot be read",
                hint="put it back, or add --use stored to go on with the workflow as it was",
            )
        if edited is not None and edited != stored and use is None:
            raise WorkflowChanged(
                f"{origin} was edited since run {history.birth.id[:8]} started",
                hint="add --use stored to go on with the workflow as it was, or --use edited to "
                "go on with the file as it is now",
            )
        return load_text(edited if use == "edited" and edited is not None else stored, origin)

    async def workflow_of(self, history: History) -> Workflow | None:
        """Return the workflow that a run interprets; None for a run of a Python program."""
        if history.birth.program != WORKFLOW:
            return None
        return load_text(await self.definition_of(history), history.birth.origin)

    async def definition_of(self, history: History) -> str:
        """Return the text of the workflow that a run interprets."""
        from holdfast.engine.outside import load_definition  # noqa: PLC0415

        return (await load_definition(self.store, history.definition)).decode()


def load_text(source: str, origin: str) -> Workflow:
    """Check the text of a workflow that was read from `origin`."""
    from holdfast.agents.functions import folder_of  # noqa: PLC0415
    from holdfast.agents.load import parse_workflow  # noqa: PLC0415
    from holdfast.agents.tools import SIGNATURES  # noqa: PLC0415

    return parse_workflow(
        source, path=origin or "<text>", tools=SIGNATURES, folder=folder_of(origin)
    )


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    *,
    clock: Clock | None = None,
    observer: Observer | None = None,
    programs: Mapping[str, Program] | None = None,
    adopt: bool = False,
    make: bool = True,
) -> AsyncGenerator[Runtime]:
    """Open the store and everything above it; close it all at the end.

    `programs` are Python programs by name, besides workflow files. With `adopt` the runs of dead
    processes are taken over all the time. Without `make` a store that does not exist is not made:
    then there are no runs.

    Example:
        async with open_runtime(load_settings(Path.cwd())) as runtime:
            run_id = await runtime.engine.start("nightly", {})
    """
    from holdfast.agents.run import WorkflowProgram  # noqa: PLC0415
    from holdfast.engine.embedded import EmbeddedEngine  # noqa: PLC0415
    from holdfast.tasks.merges import settle_merges  # noqa: PLC0415
    from holdfast.tasks.sweeping import sweeping  # noqa: PLC0415
    from holdfast.tracing.spans import SpanBuffer  # noqa: PLC0415
    from holdfast.tracing.tracer import Tracer  # noqa: PLC0415

    clock, spans = clock or SystemClock(), SpanBuffer()
    tracer = Tracer(clock=clock, sink=spans)
    services = build_services(settings, tracer, clock)
    try:
        address = settings.store if make else _existing(settings)
        async with open_store(address, clock=clock, ack=settings.ack) as store:
            await settle_merges(store, clock)
            engine = EmbeddedEngine(
                store,
                {**(programs or {}), WORKFLOW: WorkflowProgram(services, load_text)},
                clock=clock,
                tracer=tracer,
                spans=spans,
                liveness=liveness_for(settings),
                observer=observer,
                lease_seconds=settings.lease_seconds,
                concurrency=settings.concurrency,
                adopt=adopt,
            )
            async with sweeping(store, clock), engine:
                yield Runtime(settings=settings, store=store, engine=engine, services=services)
    finally:
        await services.router.close()


def open_only_store(settings: Settings, *, make: bool = False, at_once: bool = False) -> Store:
    """Return the store of the settings, to be opened by the caller; for commands without an engine.

    Without `make` a store that does not exist is not made: then it is an empty one. With `at_once`
    it does without an event loop if it can; `run_on` knows.
    """
    address = settings.store if make else _existing(settings)
    return open_store(address, clock=SystemClock(), ack=settings.ack, at_once=at_once)


def run_on(store: Store, action: Callable[[Store], Awaitable[T]]) -> T:
    """Open a store, do something with it, and close it: in an event loop if it needs one."""

    async def act() -> T:
        async with store:
            return await action(store)

    if getattr(store, "is_at_once", False):
        from holdfast.storage.at_once import drive  # noqa: PLC0415

        return drive(act())
    import asyncio  # noqa: PLC0415

    return asyncio.run(act())


def _existing(settings: Settings) -> str:
    """Return the address of the store, or of an empty one if nobody has made it yet."""
    return settings.store if store_exists(settings) else "memory://"


def store_exists(settings: Settings) -> bool:
    """Whether there is anything to look into; whatever else is wrong, opening it will tell."""
    path = _local_path(settings)
    if path is None:
        return True
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def search_folder(settings: Settings) -> Path | None:
    """Return the folder of this machine in which what searches the store keeps its indexes.

    None for a store that is not there, or is gone with the process: an index in memory will do.
    """
    if settings.store.startswith("memory:") or not store_exists(settings):
        return None
    return faces_folder(settings)


def models_of(settings: Settings, workflow: Workflow) -> set[str]:
    """Return the models that the nodes of a workflow ask for.

    Raises:
        NoProvider: nobody serves one of them.
    """
    from holdfast.agents.workflow import ModelNode  # noqa: PLC0415
    from holdfast.tracing.spans import SpanBuffer  # noqa: PLC0415
    from holdfast.tracing.tracer import Tracer  # noqa: PLC0415

    clock = SystemClock()
    services = build_services(settings, Tracer(clock=clock, sink=SpanBuffer()), clock)
    default = workflow.model or services.default_model
    models = {n.model or default for n in workflow.nodes.values() if isinstance(n, ModelNode)}
    for model in sorted(models):
        services.router.check_served(model)
    return models


def onlooker(settings: Settings, store: Store) -> Holder:
    """Return what can tell whether other processes are alive; it holds nothing itself."""
    from holdfast.engine.holders import Holder  # noqa: PLC0415

    return Holder(
        store,
        clock=SystemClock(),
        liveness=liveness_for(settings),
        lease_seconds=settings.lease_seconds,
    )


def build_services(settings: Settings, tracer: Tracer, clock: Clock) -> Services:
    """Return what nodes need: a router over the configured providers and the extractor, tools."""
    from holdfast.agents.nodes import Services  # noqa: PLC0415
    from holdfast.agents.tools import TOOLS  # noqa: PLC0415
    from holdfast.agents.tools.seam import ToolContext  # noqa: PLC0415
    from holdfast.routing.providers.extract import ExtractProvider  # noqa: PLC0415
    from holdfast.routing.providers.openai import OpenAIProvider  # noqa: PLC0415
    from holdfast.routing.router import Router  # noqa: PLC0415

    configured = [OpenAIProvider(config, clock=clock) for config in settings.providers]
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


@asynccontextmanager
async def open_memories(
    settings: Settings,
    *,
    clock: Clock | None = None,
    embedder: Embedder | None = None,
    make: bool = True,
) -> AsyncGenerator[Memories]:
    """Open the store and the memory in it; close both at the end.

    `embedder` ranks by meaning too. Without `make` a store that does not exist is not made: then
    nothing is remembered.

    Example:
        async with open_memories(load_settings(Path.cwd())) as memories:
            memory = await Memory.open(memories, "agent:planner")
            await memory.write("editor", "We use Helix.")
    """
    from holdfast.memory.memories import Memories  # noqa: PLC0415

    clock = clock or SystemClock()
    address = settings.store if make else _existing(settings)
    folder = None if address.startswith("memory:") else faces_folder(settings)
    async with (
        open_store(address, clock=clock, ack=settings.ack) as store,
        Memories(
            store,
            clock=clock,
            folder=folder / "memory" if folder else None,
            search_folder=folder / "search" if folder else None,
            embedder=embedder,
        ) as memories,
    ):
        yield memories


def faces_folder(settings: Settings) -> Path | None:
    """Return the folder of the folders of readable files; None for a store in memory."""
    scheme, _, rest = settings.store.partition(":")
    match scheme:
        case "memory":
            return None
        case "files":
            return Path(rest.partition("?")[0])
        case "sqlite":
            return Path(f"{rest}.files")
        case _:
            return settings.root / ".holdfast"


def liveness_for(settings: Settings) -> Liveness:
    """Return lock files beside a store on this machine, else nothing but leases."""
    from holdfast.engine.liveness import LockFiles, NoLiveness  # noqa: PLC0415

    path = _local_path(settings)
    return LockFiles(path.parent / "processes") if path else NoLiveness()


def _local_path(settings: Settings) -> Path | None:
    """Return the file or the folder that holds the records of a store on this machine."""
    scheme, _, rest = settings.store.partition(":")
    match scheme:
        case "sqlite":
            return Path(rest)
        case "files":
            return Path(rest.partition("?")[0]) / "journal"
        case _:
            return None


def _read_again(origin: str) -> str | None:
    """Return the text of the workflow file as it is now, None if it cannot be read."""
    try:
        return Path(origin).read_bytes().decode("utf-8-sig")
    except (OSError, ValueError):
        return None
