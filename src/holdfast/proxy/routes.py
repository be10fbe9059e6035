"""The paths of the proxy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from holdfast.errors import HoldfastError
from holdfast.frozen import replace
from holdfast.ids import new_run_id
from holdfast.proxy.embeddings import Embeddings
from holdfast.proxy.feedback import Feedback
from holdfast.proxy.formats.chat import Chat
from holdfast.proxy.formats.messages import Messages
from holdfast.proxy.formats.responses import Responses
from holdfast.proxy.formats.seam import Face
from holdfast.proxy.inference import Inference
from holdfast.proxy.limits import RateLimit
from holdfast.proxy.reports import Reports
from holdfast.proxy.telling import error_answer, id_headers, sentence, status_of
from holdfast.proxy.wishes import ask_of, key_of, read_object
from holdfast.routing.checking.checker import Checker
from holdfast.routing.checking.reporting import floors_of
from holdfast.routing.dialects.seam import Document
from holdfast.routing.dispatching.dispatcher import Dispatcher
from holdfast.routing.dispatching.explaining import explain
from holdfast.routing.dispatching.health import health_of, model_of, models_of, providers_of
from holdfast.routing.selection.choosing import ANY
from holdfast.web.http import Answer, Refused, Request, Streaming, json_answer, not_understood

_CHAT: Final = Chat()
_MESSAGES: Final = "/v1/messages"
FACES: Final[Mapping[str, Face]] = {
    "/v1/chat/completions": _CHAT,
    _MESSAGES: Messages(),
    "/v1/responses": Responses(),
}
"""Where requests for models go, and the format that is spoken there."""

_EMBEDDINGS: Final = "/v1/embeddings"
_MODELS: Final = "/v1/models"
_METHODS: Final[Mapping[str, str]] = {
    **dict.fromkeys([*FACES, _EMBEDDINGS, "/v1/cost", "/v1/feedback"], "POST"),
    **dict.fromkeys(["/health", "/providers", _MODELS], "GET"),
    **dict.fromkeys(["/v1/stats", "/v1/requests", "/v1/quality"], "GET"),
}


class ProxyRoutes:
    """Answers everything that clients of models ask, and what was spent on it."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        limit: RateLimit | None = None,
        checker: Checker | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._inference = Inference(dispatcher)
        self._embeddings = Embeddings(dispatcher)
        self._limit = limit
        self._feedback = Feedback(checker, floors_of(dispatcher.config))

    async def answer(self, request: Request) -> Answer | Streaming | None:
        """Answer a request, None if its path is none of the proxy's.

        Raises:
            Refused: an answer other than success.
        """
        is_model = request.path.startswith(f"{_MODELS}/")
        method = "GET" if is_model else _METHODS.get(request.path)
        if method is None:
            return None
        if request.method != method and not (request.method == "HEAD" and method == "GET"):
            return _other_method(request, f"{method}, HEAD" if method == "GET" else method)
        if (face := FACES.get(request.path)) is not None:
            self._limit_rate(request)
            return await self._inference.answer(request, face)
        if request.path == _EMBEDDINGS:
            self._limit_rate(request)
            return await self._embeddings.answer(request)
        try:
            answer = await self._tell(request)
        except HoldfastError as error:
            raise Refused(status_of(error), sentence(error)) from error
        return replace(answer, headers=id_headers(_CHAT, str(new_run_id())))

    def refuse(self, request: Request, refused: Refused) -> Answer | None:
        """Return a refusal in the format of the client, None where no model is asked for."""
        meant = _meant(request.path)
        if meant is None and not request.path.startswith("/v1/"):
            return None
        if refused.status == 404 and meant not in (None, request.path):
            told = f"{refused.message}; did you mean {meant}? Check the client's base address"
            refused = Refused(404, told)
        return error_answer(_face_of(request), refused, str(new_run_id()))

    def _limit_rate(self, request: Request) -> None:
        seconds = self._limit and self._limit.take(key_of(request))
        if seconds:
            after = {"retry-after": str(seconds)}
            raise Refused(429, "too many requests: slow down", headers=after)

    async def _tell(self, request: Request) -> Answer:
        match request.path:
            case "/health":
                health = health_of(self._dispatcher)
                return json_answer(health, 503 if health["status"] == "unhealthy" else 200)
            case "/providers":
                return json_answer({"providers": providers_of(self._dispatcher)})
            case "/v1/cost":
                return json_answer(await self._explain(request))
            case "/v1/feedback":
                return json_answer(await self._feedback.hear(await read_object(request)))
            case "/v1/quality":
                return json_answer(await self._feedback.known())
            case "/v1/stats":
                return json_answer(await self._reports().stats(request.query))
            case "/v1/requests":
                return json_answer(await self._reports().requests(request.query))
            case path:
                return json_answer(self._models(path))

    def _models(self, path: str) -> Document:
        if path == _MODELS:
            return models_of(self._dispatcher)
        return model_of(self._dispatcher, path.removeprefix(f"{_MODELS}/"))

    async def _explain(self, request: Request) -> Document:
        ask = ask_of(request, _CHAT.read(await read_object(request)).body)
        if ask.model == ANY and (overseer := self._dispatcher.overseer) is not None:
            ask = await overseer.foresee(ask)
        return explain(self._dispatcher, ask)

    def _reports(self) -> Reports:
        if self._dispatcher.ledger is None:
            raise Refused(404, "this proxy keeps no ledger")
        return Reports(self._dispatcher.ledger, self._dispatcher)


def _face_of(request: Request) -> Face:
    """Return the format of a client: that of its path, or that which its headers speak."""
    if request.path in FACES:
        return FACES[request.path]
    is_anthropic = "anthropic-version" in request.headers or request.path.startswith(_MESSAGES)
    return FACES[_MESSAGES] if is_anthropic else _CHAT


def _other_method(request: Request, allowed: str) -> Answer:
    if request.method != "OPTIONS":
        raise not_understood(request, allowed)
    return Answer(body=b"", headers={"allow": f"{allowed}, OPTIONS"})


def _meant(path: str) -> str | None:
    """Return the path that somebody meant whose base address is wrong."""
    return next((each for each in _METHODS if path.endswith(each.removeprefix("/v1"))), None)
