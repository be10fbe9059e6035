"""The paths of the proxy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from holdfast.errors import HoldfastError
from holdfast.proxy.embeddings import Embeddings
from holdfast.proxy.formats.chat import Chat
from holdfast.proxy.formats.messages import Messages
from holdfast.proxy.formats.responses import Responses
from holdfast.proxy.formats.seam import Face
from holdfast.proxy.inference import Inference, error_answer, status_of
from holdfast.proxy.limits import RateLimit
from holdfast.proxy.reports import Reports
from holdfast.proxy.wishes import account_of, ask_of, read_object
from holdfast.routing.dispatching.dispatcher import Dispatcher
from holdfast.routing.dispatching.explaining import explain
from holdfast.routing.dispatching.health import health_of, models_of, providers_of
from holdfast.web.http import Answer, Refused, Request, Streaming, json_answer

_CHAT: Final = Chat()
FACES: Final[Mapping[str, Face]] = {
    "/v1/chat/completions": _CHAT,
    "/v1/messages": Messages(),
    "/v1/responses": Responses(),
}
"""Where requests for models go, and the format that is spoken there."""

_READABLE: Final = frozenset(
    {"/health", "/providers", "/v1/models", "/v1/stats", "/v1/requests", "/v1/cost"}
)


class ProxyRoutes:
    """Answers everything that clients of models ask, and what was spent on it."""

    def __init__(self, dispatcher: Dispatcher, limit: RateLimit | None = None) -> None:
        self._dispatcher = dispatcher
        self._inference = Inference(dispatcher)
        self._embeddings = Embeddings(dispatcher)
        self._limit = limit

    async def answer(self, request: Request) -> Answer | Streaming | None:
        """Answer a request, None if its path is none of the proxy's.

        Raises:
            Refused: an answer other than success.
        """
        face = FACES.get(request.path)
        if face is not None:
            if request.method != "POST":
                raise Refused(405, f"{request.method} is not understood at {request.path}")
            return self._over(request, face) or await self._inference.answer(request, face)
        if request.path == "/v1/embeddings":
            if request.method != "POST":
                raise Refused(405, f"{request.method} is not understood at {request.path}")
            return self._over(request, _CHAT) or await self._embeddings.answer(request)
        if request.path not in _READABLE:
            return None
        try:
            return await self._tell(request)
        except HoldfastError as error:
            raise Refused(status_of(error), f"{error.message}; {error.hint}") from error

    def _over(self, request: Request, face: Face) -> Answer | None:
        seconds = self._limit and self._limit.take(account_of(request).key_id)
        if not seconds:
            return None
        return error_answer(face, 429, "too many requests: slow down", seconds)

    async def _tell(self, request: Request) -> Answer:
        match (request.method, request.path):
            case ("GET", "/health"):
                health = health_of(self._dispatcher)
                return json_answer(health, 503 if health["status"] == "unhealthy" else 200)
            case ("GET", "/providers"):
                return json_answer({"providers": providers_of(self._dispatcher)})
            case ("GET", "/v1/models"):
                return json_answer(models_of(self._dispatcher))
            case ("POST", "/v1/cost"):
                body = _CHAT.read(await read_object(request)).body
                return json_answer(explain(self._dispatcher, ask_of(request, body)))
            case ("GET", "/v1/stats"):
                return json_answer(await self._reports().stats(request.query))
            case ("GET", "/v1/requests"):
                return json_answer(await self._reports().requests(request.query))
            case _:
                raise Refused(405, f"{request.method} is not understood at {request.path}")

    def _reports(self) -> Reports:
        if self._dispatcher.ledger is None:
            raise Refused(404, "this proxy keeps no ledger")
        return Reports(self._dispatcher.ledger, self._dispatcher.clock)
