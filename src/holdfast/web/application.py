"""The ASGI application: finds who answers a request, and turns what goes wrong into an answer."""

from __future__ import annotations

from holdfast.errors import HoldfastError
from holdfast.web.guard import Guard
from holdfast.web.http import (
    Answer,
    Receive,
    Refused,
    Request,
    Scope,
    Send,
    json_answer,
    send_answer,
)
from holdfast.web.traces import TraceRoutes


class Application:
    """Everything that Holdfast serves on its port."""

    def __init__(self, traces: TraceRoutes, guard: Guard) -> None:
        self._traces = traces
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            self._guard.check(request)
            answer = await self._answer(request)
        except Refused as refused:
            answer = _refusal(refused)
        except HoldfastError as error:
            answer = json_answer({"error": {"message": error.message, "hint": error.hint}}, 500)
        except Exception:  # noqa: BLE001 - one request must not end the server
            answer = json_answer({"error": {"message": "this is a fault in Holdfast"}}, 500)
        await send_answer(answer, send)

    async def _answer(self, request: Request) -> Answer:
        match (request.method, *request.path.strip("/").split("/")):
            case ("POST", "v1", "traces"):
                return await self._traces.take(request)
            case ("GET", "health"):
                return json_answer({"status": "ok"})
            case ("GET", "api", "traces"):
                return await self._traces.list(request)
            case ("GET", "api", "traces", trace_id, "skeleton"):
                return await self._traces.skeleton(trace_id)
            case ("GET", "api", "traces", trace_id, "spans", span_id):
                return await self._traces.span(trace_id, span_id)
            case (_, "v1", "traces") | (_, "health") | (_, "api", "traces", *_):
                raise Refused(405, f"{request.method} is not understood at {request.path}")
            case _:
                raise Refused(404, f"there is nothing at {request.path}")


def _refusal(refused: Refused) -> Answer:
    answer = json_answer({"error": {"message": refused.message}}, refused.status)
    if refused.retry_after is None:
        return answer
    headers = {"retry-after": str(refused.retry_after)}
    return Answer(body=answer.body, status=answer.status, headers=headers)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
