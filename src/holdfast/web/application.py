"""The ASGI application: finds who answers a request, and turns what goes wrong into an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from holdfast.errors import HoldfastError
from holdfast.frozen import replace
from holdfast.web.guard import Guard
from holdfast.web.http import (
    Answer,
    Receive,
    Refused,
    Request,
    Scope,
    Send,
    Streaming,
    json_answer,
    not_understood,
    send_answer,
    send_streaming,
)

_UNWATCHED_SECONDS = 0.02
"""How long a request is served before its client is watched: less than it may go on without one."""


class Routes(Protocol):
    """Some of the paths of the port."""

    async def answer(self, request: Request) -> Answer | Streaming | None:
        """Answer a request, None if its path is none of ours.

        It is cancelled when the client goes away.

        Raises:
            Refused: an answer other than success.
        """
        ...

    def refuse(self, request: Request, refused: Refused) -> Answer | None:
        """Return what a refusal reads like at a path of ours, None at any other."""
        ...


class Application:
    """Everything that Holdfast serves on its port. The first routes that know a path answer it."""

    def __init__(self, routes: Sequence[Routes], guard: Guard) -> None:
        self._routes = routes
        self._guard = guard
        self._watch = _Watch()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        leaving = self._watch.begin(request)
        try:
            await self._serve(request, send)
        except asyncio.CancelledError:
            if not leaving.is_cause:
                raise
        except Exception:  # noqa: BLE001 - begun already: all that is left is to close the connection
            return
        finally:
            leaving.forget()

    async def _serve(self, request: Request, send: Send) -> None:
        answer = await self._answer_safely(request)
        if isinstance(answer, Streaming):
            await send_streaming(answer, send)
        else:
            await send_answer(answer, send)

    async def _answer_safely(self, request: Request) -> Answer | Streaming:
        try:
            self._guard.check(request)
            return await self._answer(request)
        except Refused as refused:
            return self._refuse(request, refused)
        except HoldfastError as error:
            told = f"{error.message}; {error.hint}" if error.hint else error.message
            return self._refuse(request, Refused(500, told))
        except Exception:  # noqa: BLE001 - one request must not end the server
            return self._refuse(request, Refused(500, "this is a fault in Holdfast"))

    def _refuse(self, request: Request, refused: Refused) -> Answer:
        """Return a refusal in the words of whoever answers at its path."""
        for routes in self._routes:
            if (answer := routes.refuse(request, refused)) is not None:
                return answer
        return _plainly(refused)

    async def _answer(self, request: Request) -> Answer | Streaming:
        for routes in self._routes:
            answer = await routes.answer(request)
            if answer is not None:
                return answer
        if request.path == "/health":
            if request.method not in ("GET", "HEAD"):
                raise not_understood(request, "GET, HEAD")
            return json_answer({"status": "ok"})
        raise Refused(404, f"there is nothing at {request.path}")


class _Watch:
    """Cancels the tasks of requests whose clients go away.

    A task that serves another one costs twice what this does; and most of what is answered at once
    is not watched at all. One timer serves all requests.
    """

    def __init__(self) -> None:
        self._unwatched: list[_Leaving] = []
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, request: Request) -> _Leaving:
        """Have the current task be cancelled when the client goes away, until that is forgotten."""
        leaving = _Leaving(request)
        self._unwatched.append(leaving)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_UNWATCHED_SECONDS, self._watch)
        return leaving

    def _watch(self) -> None:
        self._timer = None
        for leaving in self._unwatched:
            leaving.watch()
        self._unwatched.clear()


class _Leaving:
    """What happens when the client of the current task goes away, unless it is forgotten before."""

    def __init__(self, request: Request) -> None:
        self.is_cause = False
        self._request = request
        self._serving = asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None

    def forget(self) -> None:
        if self.is_cause and self._serving is not None:
            self._serving.uncancel()
        self._serving = None
        if self._watching is not None:
            self._watching.cancel()

    def watch(self) -> None:
        if self._serving is not None:
            self._watching = asyncio.ensure_future(self._request.left())
            self._watching.add_done_callback(self._leave)

    def _leave(self, watching: asyncio.Task[None]) -> None:
        if not watching.cancelled():
            watching.exception()
        if self._serving is not None:
            self.is_cause = True
            self._serving.cancel()


def _plainly(refused: Refused) -> Answer:
    answer = json_answer({"error": {"message": refused.message}}, refused.status)
    return replace(answer, headers=refused.headers)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
