"""Open what checks answers and learns from them: the evidence of a project, its judge, its own checks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from holdfast.app.places import faces_folder
from holdfast.clock import Clock
from holdfast.errors import StorageError, StorageTooNew, WorkflowError
from holdfast.settings import Settings
from holdfast.storage.warning import warn

if TYPE_CHECKING:
    from holdfast.routing.checking.checker import Checker, JudgeFor
    from holdfast.routing.checking.kept import KeptEvidence
    from holdfast.routing.dispatching.inspecting import Finding
    from holdfast.routing.dispatching.overseeing import Answered
    from holdfast.routing.quality.checks import Check
    from holdfast.routing.quality.choices import Choice
    from holdfast.routing.quality.judging import Judge
    from holdfast.routing.router import Router


def evidence_path(settings: Settings) -> Path | None:
    """Return where the evidence of a project lies, None for a store that is gone with the process."""
    folder = faces_folder(settings)
    return folder / "quality.db" if folder else None


@asynccontextmanager
async def overseeing(
    settings: Settings, router: Router, clock: Clock, *, make: bool = True
) -> AsyncGenerator[Checker | None]:
    """Let answers under `model: auto` be checked and learned from while the block goes on.

    Nothing is opened where no policy asks for quality, and nothing is kept for a store in memory. Without
    `make` nothing is made where nothing was kept yet.

    Raises:
        StorageTooNew: a newer version wrote the evidence.
        WorkflowError: a function that the settings name cannot be imported.
    """
    routing, path = settings.routing, evidence_path(settings)
    if routing is None or not routing.learns or path is None:
        yield None
        return
    from holdfast.routing.checking.checker import Checker  # noqa: PLC0415 - few projects check
    from holdfast.routing.quality.rules import QualityRules  # noqa: PLC0415 - as above

    dispatcher, rules = router.dispatcher, routing.quality or QualityRules()
    judge_for = _judge_for(settings, router)
    dispatcher.checks = _checks(settings)
    if not (make or path.exists()):
        yield None
        return
    async with AsyncExitStack() as stack:
        kept = await _open(settings, path, clock, stack)
        if kept is None:
            yield None
            return
        dispatcher.evidence = kept.learned
        checker = Checker(kept, judge_for, dispatcher.tracer, clock=clock, rules=rules)
        dispatcher.overseer = await stack.enter_async_context(checker)
        yield checker


async def _open(
    settings: Settings, path: Path, clock: Clock, stack: AsyncExitStack
) -> KeptEvidence | None:
    from holdfast.routing.checking.kept import KeptEvidence  # noqa: PLC0415 - few projects check
    from holdfast.routing.quality.embedding import FunctionEmbedder  # noqa: PLC0415 - as above

    name = (
        settings.routing and settings.routing.quality and settings.routing.quality.embedder
    ) or ""
    embedder = None
    if name:
        function = cast("Callable[[list[str]], object]", _function(settings, name))
        embedder = FunctionEmbedder(function, name)
    try:
        return await stack.enter_async_context(KeptEvidence(path, clock, embedder, name))
    except StorageTooNew:
        raise
    except StorageError as error:
        warn("no model is shown good enough, and references serve: %s", error.message)
        return None


def _judge_for(settings: Settings, router: Router) -> JudgeFor:
    """Return the judge that the settings name."""
    from holdfast.routing.checking.modelling import model_judge  # noqa: PLC0415 - few projects check
    from holdfast.routing.quality import judging  # noqa: PLC0415 - as above
    from holdfast.routing.quality.rules import QualityRules  # noqa: PLC0415 - as above

    rules = (settings.routing and settings.routing.quality) or QualityRules()
    match rules.judge:
        case "model":
            return model_judge(router, rules.judge_model)
        case "agreement":
            return _always(judging.judge_by_agreement)
        case "validity":
            return _always(judging.judge_by_form)
        case name:
            function = cast("Callable[[str, str, str], object]", _function(settings, name))
            return _always(judging.judge_with(function, name))


def _always(judge: Judge) -> JudgeFor:
    def judge_for(answered: Answered, choice: Choice) -> Judge:  # noqa: ARG001 - the seam's
        return judge

    return judge_for


def _checks(settings: Settings) -> Mapping[str, Check]:
    """Return the functions that check answers, by the name of the policy that names them."""
    from holdfast.routing.quality.checks import function_check  # noqa: PLC0415 - few projects check

    policies = () if settings.routing is None else settings.routing.policies
    return {
        each.name: function_check(
            cast("Callable[[str, str], object]", _function(settings, each.check)), each.check
        )
        for each in policies
        if each.check is not None
    }


def find_function_problems(settings: Settings) -> list[Finding]:
    """Return what is wrong with the functions that the settings name."""
    from holdfast.routing.dispatching.inspecting import Finding  # noqa: PLC0415 - only to check

    routing, found = settings.routing, list[Finding]()
    if routing is None:
        return found
    named = {f'routing.policies."{each.name}".check': each.check for each in routing.policies}
    if routing.quality is not None and ":" in routing.quality.judge:
        named["routing.quality.judge"] = routing.quality.judge
    if routing.quality is not None:
        named["routing.quality.embedder"] = routing.quality.embedder
    for key, name in named.items():
        if name is not None:
            try:
                _function(settings, name)
            except WorkflowError as error:
                hint = error.hint or "name a function that Python finds"
                found.append(Finding(key=key, problem=error.message, hint=hint))
    return found


def _function(settings: Settings, name: str) -> Callable[..., object]:
    from holdfast.agents.functions import find_function  # noqa: PLC0415 - few projects name one

    return find_function(name, settings.root)
