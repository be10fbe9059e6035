"""What a chat request says of the form of its answer, as a check; and the text of an answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, cast

from holdfast.routing.dialects.seam import Object
from holdfast.routing.dialects.values import as_object, as_objects, as_text
from holdfast.routing.quality.checks import Check, Verdict
from holdfast.routing.structured import extract_json

_LONGEST: Final = 1_000_000
_LEFT_OUT: Final = frozenset({"pattern", "patternProperties"})
"""Keywords with regular expressions: those of a stranger could keep this process busy for ever."""


class _Problem(Protocol):
    message: str
    absolute_path: Iterable[object]


class _Validator(Protocol):
    def iter_errors(self, instance: object) -> Iterable[_Problem]: ...


def form_check(body: Object) -> Check | None:
    """Return a check that an answer has the form that `response_format` asks for, None if it asks for none.

    With tools an answer may be a call instead, so that nothing is checked.
    """
    wanted = body.get("response_format")
    if wanted is None or body.get("tools"):
        return None
    form = as_object(wanted)
    match form.get("type"):
        case "json_object":
            return check_schema({"type": "object"})
        case "json_schema":
            return check_schema(as_object(as_object(form.get("json_schema")).get("schema")))
        case _:
            return None


def check_schema(schema: Object) -> Check:
    """Return a check that an answer is JSON which fits a schema; nothing is ever fetched for it.

    Regular expressions in the schema are not looked at.
    """
    plain = _without_patterns(schema)

    async def check(prompt: str, answer: str) -> Verdict:  # noqa: ARG001 - the form of a check
        try:
            value: object = json.loads(extract_json(answer[:_LONGEST]))
        except (ValueError, RecursionError):
            return Verdict(passed=False, why="the answer is not JSON")
        problem = _problem(value, plain)
        if problem is not None:
            return Verdict(passed=False, why=f"the answer does not fit its schema: {problem}")
        return Verdict(passed=True, why="the answer fits its schema")

    return check


def answer_text(document: Object) -> str:
    """Return what the first choice of a chat completion says: its text, or its tool calls as JSON."""
    choices = as_objects(document.get("choices"))
    message = as_object(choices[0].get("message") if choices else None)
    calls = [as_object(each.get("function")) for each in as_objects(message.get("tool_calls"))]
    text = _content(message.get("content"))
    if not calls:
        return text
    told = [{"name": each.get("name"), "arguments": _arguments(each)} for each in calls]
    return json.dumps({"text": text, "calls": told} if text else {"calls": told}, sort_keys=True)


def streamed_text(chunks: Iterable[Object]) -> str | None:
    """Return the text of a stream's chunks, None if there is more to it than one text."""
    pieces: list[str] = []
    for chunk in chunks:
        for choice in as_objects(chunk.get("choices")):
            delta = as_object(choice.get("delta"))
            if choice.get("index") or delta.get("tool_calls") or delta.get("function_call"):
                return None
            pieces.append(as_text(delta.get("content")))
    return "".join(pieces)


def _content(content: object) -> str:
    if isinstance(content, list):
        return "".join(as_text(each.get("text")) for each in as_objects(cast("object", content)))
    return as_text(content)


def _arguments(function: Object) -> object:
    said = as_text(function.get("arguments"))
    try:
        return json.loads(said)
    except ValueError:
        return said


def _without_patterns(schema: object) -> Any:
    if isinstance(schema, Mapping):
        members = cast("Mapping[str, object]", schema)
        return {
            name: _without_patterns(each)
            for name, each in members.items()
            if name not in _LEFT_OUT or not isinstance(each, str | Mapping)
        }
    if isinstance(schema, list):
        return [_without_patterns(each) for each in cast("list[object]", schema)]
    return schema


def _problem(value: object, schema: Object) -> str | None:
    """Return what is wrong first, None if all is well. A schema that is none cannot be met."""
    from referencing import Registry  # noqa: PLC0415 - loaded with the first schema

    library = _library()
    kind = library.validators.validator_for(schema, default=library.Draft202012Validator)
    try:
        kind.check_schema(schema)
        validator = cast("_Validator", kind(schema, registry=Registry[Any]()))
        found = next(iter(validator.iter_errors(value)), None)
    except Exception as error:  # noqa: BLE001 - a schema of a stranger: whatever it makes of the library
        return f"the schema cannot be used: {type(error).__name__}"
    if found is None:
        return None
    place = "/".join(map(str, found.absolute_path)) or "the top"
    return f"{found.message[:120]} (at {place})"


def _library() -> Any:
    import jsonschema  # noqa: PLC0415 - loaded with the first schema

    return jsonschema
