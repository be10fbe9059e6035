"""Open everything that is needed to run workflows, and work with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.app.places import existing_address
from holdfast.app.services import open_services
from holdfast.app.stores import liveness_for
from holdfast.app.traces import labels_of, open_tracer, tending
from holdfast.clock import Clock, SystemClock
from holdfast.errors import UsageError, WorkflowChanged
from holdfast.frozen import frozen
from holdfast.settings import Settings
from holdfast.storage.opening import open_store
from holdfast.storage.seam import Store
from holdfast.tasks.record import LOCAL_OWNER

if TYPE_CHECKING:
    from holdfast.agents.nodes import Services
    from holdfast.agents.workflow import Workflow
    from holdfast.app.services import Exchange
    from holdfast.engine.embedded import EmbeddedEngine
    from holdfast.engine.history import History
    from holdfast.engine.seam import Observer, Program

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
    owner: str = LOCAL_OWNER,
    exchange: Exchange | None = None,
) -> AsyncGenerator[Runtime]:
    """Open the store and everything above it; close it all at the end.

    `programs` are Python programs by name, besides workflow files. With `adopt` the runs of dead
    processes are taken over all the time. Without `make` a store that does not exist is not made:
    then there are no runs. `owner` is whose runs they are. `exchange` gets the configured model
    providers and returns those to ask instead.

    Example:
        async with open_runtime(load_settings(Path.cwd())) as runtime:
            run_id = await runtime.engine.start("nightly", {})
    """
    from holdfast.agents.run import WorkflowProgram  # noqa: PLC0415
    from holdfast.engine.embedded import EmbeddedEngine  # noqa: PLC0415
    from holdfast.tasks.merges import settle_merges  # noqa: PLC0415
    from holdfast.tasks.sweeping import sweeping  # noqa: PLC0415

    clock = clock or SystemClock()
    address = settings.store if make else existing_address(settings)
    async with AsyncExitStack() as stack:
        tracer = stack.enter_context(open_tracer(settings, clock))
        opened = open_services(settings, tracer, clock, exchange, owner)
        services = await stack.enter_async_context(opened)
        async with open_store(address, clock=clock, ack=settings.ack) as store:
            await settle_merges(store, clock)
            engine = EmbeddedEngine(
                store,
                {**(programs or {}), WORKFLOW: WorkflowProgram(services, load_text)},
                clock=clock,
                tracer=tracer,
                liveness=liveness_for(settings),
                observer=observer,
                lease_seconds=settings.lease_seconds,
                concurrency=settings.concurrency,
                adopt=adopt,
                owner=owner,
                labels=labels_of(settings),
            )
            async with sweeping(store, clock), tending(settings, clock), engine:
                yield Runtime(settings=settings, store=store, engine=engine, services=services)


def _read_again(origin: str) -> str | None:
    """Return the text of the workflow file as it is now, None if it cannot be read."""
    try:
        return Path(origin).read_bytes().decode("utf-8-sig")
    except (OSError, ValueError):
        return None
