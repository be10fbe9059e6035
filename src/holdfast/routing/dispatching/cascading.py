"""Ask a cheap model first, check its answer, and turn to the next one if it fails. Every call is paid for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from holdfast.errors import ProviderError
from holdfast.routing.dispatching.calls import Call
from holdfast.routing.dispatching.request import Dispatch
from holdfast.routing.faults import PASSED_OVER
from holdfast.routing.quality.checks import run_check
from holdfast.routing.quality.choices import Step

T = TypeVar("T")


async def lead(
    dispatch: Dispatch,
    attempt: Callable[[Call], Awaitable[T]],
    text_of: Callable[[T], str],
) -> T:
    """Run a request; if it is a cascade, return the first answer that passes its check, or the last.

    `dispatch.steps` tells what was found of each model but the last. A model that is unavailable is passed
    over.

    Raises:
        ProviderError: as `Dispatch.run`, of the last model or of one that refused.
    """
    choice, check = dispatch.wanted.choice, dispatch.wanted.check
    if choice is None or check is None or not choice.then:
        return await dispatch.run(attempt)
    model = choice.model
    for following in choice.then:
        try:
            answer = await dispatch.run(attempt)
        except ProviderError as error:
            if error.fault not in PASSED_OVER:
                raise
            dispatch.steps.append(Step(model, passed=False, why=error.message))
        else:
            verdict = await run_check(check, dispatch.ask.text, text_of(answer))
            dispatch.steps.append(Step(model, passed=verdict.passed, why=verdict.why))
            if verdict.passed:
                return answer
        model = following
        dispatch.turn_to(model)
    return await dispatch.run(attempt)
