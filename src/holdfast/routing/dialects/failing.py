"""Find the error in an answer, and the sentence in an error, whatever their shape."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from holdfast.errors import ErrorInAnswer
from holdfast.routing.dialects.values import Object, as_object, as_objects, excerpt, write_json

STATUS_BY_KIND = {
    "invalid_request_error": 400,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "UNAUTHENTICATED": 401,
    "billing_error": 402,
    "insufficient_quota": 402,
    "insufficient_credits": 402,
    "permission_error": 403,
    "PERMISSION_DENIED": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "NOT_FOUND": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "RESOURCE_EXHAUSTED": 429,
    "server_error": 500,
    "api_error": 500,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "timeout_error": 504,
    "DEADLINE_EXCEEDED": 504,
    "overloaded_error": 529,
}
"""The HTTP status that a kind of error stands for, as OpenAI, Anthropic and Google list them."""


def raise_error(error: object) -> None:
    """Raise the error that an answer of status 200 carries; nothing happens if it carries none.

    Raises:
        ErrorInAnswer: with the kind and the status that the error names, 500 where it names none.
    """
    if not error:
        return
    fields = as_object(error)
    clues = [fields.get(name) for name in ("code", "type", "status", "http_code")]
    kinds = [clue for clue in clues if isinstance(clue, str) and clue and not clue.isdecimal()]
    raise ErrorInAnswer(
        sentence(error) or "the provider gave no reason",
        kind=kinds[0] if kinds else "error",
        status=_status(clues),
    )


def error_text(body: bytes) -> str:
    """Return the sentence in an error body, decoded or not, on one line and never long."""
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return excerpt(body)
    return sentence(value)


def sentence(error: object) -> str:
    """Return what an error says."""
    for _ in range(4):  # {"error": {"error": {...}}} was seen; deeper is nobody's
        inner = _inner(error)
        if inner is None:
            break
        error = inner
    return excerpt(error if isinstance(error, str) else write_json(error))


def _inner(error: object) -> object | None:
    if isinstance(error, list):
        objects: list[Object] = as_objects(error)  # pyright: ignore[reportUnknownArgumentType]
        return objects[0] if objects else None
    if not isinstance(error, Mapping):
        return None
    fields = as_object(error)  # pyright: ignore[reportUnknownArgumentType]
    for name in ("error", "message", "detail"):
        if fields.get(name):
            return fields[name]
    return None


def _status(clues: list[object]) -> int:
    for clue in clues:
        if isinstance(clue, int) and 400 <= clue <= 599:
            return clue
        if isinstance(clue, str) and len(clue) == 3 and clue.isascii() and clue.isdecimal():
            return int(clue) if 400 <= int(clue) <= 599 else 500
    named = [STATUS_BY_KIND.get(each) for each in clues if isinstance(each, str)]
    return next((status for status in named if status), 500)
