"""Errors as clients of each format read them: the status, the sentence, and the id of the request."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Final

from holdfast.errors import (
    BudgetExceeded,
    HoldfastError,
    NoProvider,
    ProviderError,
    Untranslatable,
    UsageError,
)
from holdfast.proxy.formats.seam import Face
from holdfast.routing.faults import Fault
from holdfast.web.http import Answer, Refused, json_answer

_STATUS: Final[Mapping[str, int]] = {
    Fault.CALLER: 400,
    Fault.RATE_LIMIT: 429,
    Fault.SERVER: 503,
    Fault.FIRST_BYTE: 504,
    Fault.IDLE: 504,
    Fault.MODEL: 404,
}


def status_of(error: HoldfastError) -> int:
    """Return the HTTP status that tells a client what an error means for it."""
    match error:
        case BudgetExceeded():
            return 402
        case NoProvider():
            return 404
        case UsageError() | Untranslatable():
            return 400
        case ProviderError():
            return _STATUS.get(error.fault, 502)
        case _:
            return 500


def id_headers(face: Face, request_id: str) -> dict[str, str]:
    """Return the headers that name a request, for us and for the official client of a format."""
    return {"x-holdfast-request-id": request_id, face.id_header: request_id}


def error_answer(face: Face, error: HoldfastError | Refused, request_id: str) -> Answer:
    """Return an error in a client's own format."""
    headers, field = id_headers(face, request_id), None
    if isinstance(error, Refused):
        status, told = error.status, error.message
        headers |= error.headers
    else:
        status, field, told = status_of(error), _field(error), sentence(error)
        if (seconds := getattr(error, "retry_after", None)) is not None:
            headers["retry-after"] = str(max(1, ceil(seconds)))  # never before the time
    answer = json_answer(face.error(status, told, field), status)
    return Answer(body=answer.body, status=status, headers=headers)


def sentence(error: HoldfastError) -> str:
    """Return what an error says, with what to do about it."""
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _field(error: HoldfastError) -> str | None:
    return error.field if isinstance(error, Untranslatable) else None
