"""Run workflow texts on an engine with a scripted model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from holdfast.agents.load import parse_workflow
from holdfast.agents.nodes import Services
from holdfast.agents.run import WorkflowProgram
from holdfast.agents.tools import SIGNATURES, TOOLS
from holdfast.agents.tools.seam import ToolContext
from holdfast.clock import SystemClock
from holdfast.engine.embedded import EmbeddedEngine
from holdfast.engine.history import History
from holdfast.routing.router import Router
from holdfast.storage.memory import MemoryStore
from holdfast.tasks.state import TaskState
from holdfast.testing.providers import ScriptedProvider
from holdfast.tracing.tracer import Tracer
from tests.engine.support import engine_on

FUNCTIONS = """
import asyncio
import threading

calls = []

def add(a, b):
    calls.append(("add", a, b))
    return a + b

def inc(n):
    return n + 1

def say(text):
    return text

def pair(a):
    return {"left": a, "right": a * 2}

async def slow(n, delay):
    await asyncio.sleep(delay)
    return n

running = [0]

async def crowd():
    running[0] += 1
    seen = running[0]
    await asyncio.sleep(0.005)
    running[0] -= 1
    return seen

def wrong():
    return {1, 2}

def boom():
    raise ValueError("as planned")
"""


def router_over(model: ScriptedProvider) -> Router:
    return Router([model], Tracer(clock=SystemClock()))


class Bench:
    """Run workflow texts on an engine with a scripted model."""

    def __init__(self, folder: Path, store: MemoryStore, model: ScriptedProvider) -> None:
        self.folder = folder
        self.store = store
        self.services = Services(
            router=router_over(model),
            tools=TOOLS,
            tool_context=ToolContext(root=folder, readable=(folder,), writable=(folder,)),
            default_model="scripted-model",
        )

    def ask(self, model: ScriptedProvider) -> None:
        """Let another model answer."""
        self.services = replace(self.services, router=router_over(model))

    def load(self, text: str, origin: str = "") -> Any:
        return parse_workflow(text, tools=SIGNATURES, folder=self.folder)

    def engine(self) -> EmbeddedEngine:
        return engine_on(self.store, {"workflow": WorkflowProgram(self.services, self.load)})

    async def run(self, text: str, **inputs: object) -> History:
        workflow = self.load(text)
        async with self.engine() as engine:
            run_id = await engine.start(
                "workflow",
                inputs,
                definition=text.encode(),
                origin=str(self.folder / "flow.yaml"),
                timeout=workflow.timeout,
            )
            return await engine.settle(run_id)


def result_of(history: History) -> object:
    assert history.state is TaskState.COMPLETED, history.error
    return history.result
