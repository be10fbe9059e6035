"""What an endpoint was seen not to take, learned from how it refused a request. Pure.

Most of it changes how a request is written and not what is asked. `CHANGING` fields do change the answer, so
those are left out only where an endpoint says that it has no such field at all, and clients are told each
time. All of it is tried again after a while: the model behind a name may be another one by then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from holdfast.frozen import frozen, replace
from holdfast.routing.dialects.openai import EXTENSIONS
from holdfast.routing.dialects.seam import Object

FORGOTTEN_MS: Final = 3_600_000
CHANGING: Final[Mapping[str, re.Pattern[str]]] = {
    name: re.compile(rf"(?<![a-z_]){pattern}(?![a-z_])")
    for name, pattern in {
        "temperature": "temperature",
        "top_p": "top_?p",
        "top_k": "top_?k",
        "logprobs": "(top_?|response_?)?logprobs",
        "top_logprobs": "(top_?|response_?)?logprobs",
        "parallel_tool_calls": "(parallel_tool_calls|disable_parallel_tool_use)",
    }.items()
}
"""Fields that an answer can be had without, and how endpoints call them."""
_UNKNOWN = re.compile(
    r"unknown|unrecogni[sz]ed|unsupported|unexpected|not (supported|permitted|allowed)|extra (inputs|fields)"
)
"""How endpoints say that a field is none of theirs; a bare name may be about its value."""
_NOT_TAKEN = re.compile(rf"{_UNKNOWN.pattern}|not support|n't support|deprecated|not available")
_ABOUT_A_VALUE = re.compile(
    r"between|range|(less|greater|more|lower|higher) than|at (least|most)|must be|both|only one|invalid type"
)
"""What is said where another value, or one field without the other, would be taken."""


@frozen
class Habits:
    """The parts of the API that not every endpoint has, as far as this one was seen to.

    `left_out` are names of `CHANGING`. What was learned counts until `until_ms`.
    """

    schema: bool = True
    usage: bool = True
    completion_tokens: bool = False
    extensions: bool = True
    left_out: frozenset[str] = frozenset()
    until_ms: int = 0


TAKES_ALL: Final = Habits()
"""The habits of an endpoint of which nothing was learned."""


def learned_by(provider: object) -> Mapping[str, Habits]:
    """Return what a provider has learned of its models, if it is one that does."""
    learned = getattr(provider, "learned", None)
    return {} if learned is None else learned()


def unsent(habits: Habits) -> list[str]:
    """Return what is not sent as it would be to another endpoint, for people."""
    told = {
        "response_format": not habits.schema,
        "stream_options": not habits.usage,
        "max_tokens (max_completion_tokens instead)": habits.completion_tokens,
        "extensions of messages": not habits.extensions,
    }
    return [*sorted(habits.left_out), *(name for name, is_so in told.items() if is_so)]


def fitted(body: Object, habits: Habits) -> Object:
    """Return a body without what an endpoint has no use for."""
    if not habits.left_out and (habits.schema or "response_format" not in body):
        return body
    unwanted = habits.left_out if habits.schema else habits.left_out | {"response_format"}
    return {name: value for name, value in body.items() if name not in unwanted}


def names_in(body: Object, habits: Habits) -> tuple[str, ...]:
    """Return which fields of a request are left out; null asks for nothing."""
    if not habits.left_out:  # nearly always
        return ()
    return tuple(sorted(name for name in habits.left_out if body.get(name) is not None))


def adapt(
    habits: Habits, message: str, body: Object, *, may_drop_schema: bool, now_ms: int
) -> Habits | None:
    """Return the habits without what an endpoint's 400 complains of, None if it is not that."""
    changed = _without(habits, message.lower(), body, may_drop_schema=may_drop_schema)
    return changed and replace(changed, until_ms=now_ms + FORGOTTEN_MS)


def _without(habits: Habits, text: str, body: Object, *, may_drop_schema: bool) -> Habits | None:
    if "max_completion_tokens" in text and not habits.completion_tokens:
        return replace(habits, completion_tokens=True)
    if "stream_options" in text and habits.usage:
        return replace(habits, usage=False)
    if habits.extensions and _UNKNOWN.search(text) and any(each in text for each in EXTENSIONS):
        return replace(habits, extensions=False)
    if ("response_format" in text or "json_schema" in text) and habits.schema and may_drop_schema:
        return replace(habits, schema=False)
    if refused := _not_taken(text, body) - habits.left_out:
        return replace(habits, left_out=habits.left_out | refused)
    return None


def _not_taken(text: str, body: Object) -> frozenset[str]:
    """Return the fields of a request that an endpoint says it has none of."""
    if not _NOT_TAKEN.search(text) or _ABOUT_A_VALUE.search(text):
        return frozenset()
    named = (name for name, pattern in CHANGING.items() if pattern.search(text))
    return frozenset(name for name in named if body.get(name) is not None)
