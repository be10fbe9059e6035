"""Requests for models through the proxy: asked once, answered whole or as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from typing import Final

import orjson

from holdfast.errors import HoldfastError, ProviderError, StorageError
from holdfast.frozen import replace
from holdfast.ids import new_run_id
from holdfast.proxy.formats.seam import Asked, Face, written
from holdfast.proxy.joining import traced
from holdfast.proxy.telling import error_answer, id_headers, status_of
from holdfast.proxy.wishes import ask_of, limit_name, read_object
from holdfast.routing.dialects.seam import Batch, Document, Object
from holdfast.routing.dialects.values import as_list, as_object
from holdfast.routing.dispatching.answering import answered_by
from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.dispatching.calls import Call
from holdfast.routing.dispatching.cascading import lead
from holdfast.routing.dispatching.dispatcher import Dispatcher
from holdfast.routing.dispatching.request import Dispatch
from holdfast.routing.dispatching.telling import told_of
from holdfast.routing.ledger.entries import OK
from holdfast.routing.providers.completing import Answering, exchange_with
from holdfast.routing.providers.exchange import chunk_of
from holdfast.routing.quality.forms import answer_text, streamed_text
from holdfast.routing.selection.choosing import ANY
from holdfast.storage.warning import warn
from holdfast.web.http import Answer, Refused, Request, Streaming

_OF_STREAMS: Final = frozenset({"stream", "stream_options"})


class Inference:
    """Answers requests for models in any client format."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def answer(self, request: Request, face: Face) -> Answer | Streaming:
        """Answer one request; what goes wrong is told in the client's own format."""
        request_id = str(new_run_id())
        with ExitStack() as stack:
            span = stack.enter_context(traced(self._dispatcher.tracer, request, request_id))
            try:
                asked = face.read(await read_object(request))
                ask = ask_of(request, asked.body)
                span.set(model=ask.model, stream=ask.stream)
                if ask.model == ANY and (overseer := self._dispatcher.overseer) is not None:
                    ask = await overseer.foresee(replace(ask, id=request_id))
                dispatch = Dispatch(self._dispatcher, ask, request_id)
                headers = id_headers(face, request_id)
                if ask.stream:
                    return await self._stream(dispatch, asked, headers, stack)
                return await self._whole(dispatch, asked, headers)
            except (Refused, HoldfastError) as error:
                span.fail(error)
                return error_answer(face, error, request_id)

    async def _whole(self, dispatch: Dispatch, asked: Asked, headers: dict[str, str]) -> Answer:
        async def attempt(call: Call) -> tuple[Document, Document]:
            document = await _ask_whole(dispatch, call, asked.body)
            # An answer that the client's format cannot say was paid for; another may do better.
            return document, asked.answer(document)

        async with dispatch:
            document, told = await lead(dispatch, attempt, lambda got: answer_text(got[0]))
        if dispatch.wanted.choice is not None:
            _tell_overseer(self._dispatcher, dispatch, asked.body, answer_text(document))
        return Answer(body=orjson.dumps(told), headers=headers | headers_of(dispatch))

    async def _stream(
        self, dispatch: Dispatch, asked: Asked, headers: dict[str, str], around: ExitStack
    ) -> Streaming:
        """Begin a stream; what is around it is left when the stream is."""
        choice = dispatch.wanted.choice
        if choice is not None and choice.then:
            return await self._stream_checked(dispatch, asked, headers)
        passage = Passage(self._dispatcher, dispatch, asked)
        pieces = passage.pieces()
        await anext(pieces)
        return Streaming(
            pieces=pieces,
            ending=lambda: passage.ending,
            around=around.pop_all(),
            headers=headers | passage.headers,
        )

    async def _stream_checked(
        self, dispatch: Dispatch, asked: Asked, headers: dict[str, str]
    ) -> Streaming:
        """Answer a stream in one piece: an answer must be whole before it can be checked."""
        async with dispatch:
            document = await lead(
                dispatch, lambda call: _ask_whole(dispatch, call, asked.body), answer_text
            )
        _tell_overseer(self._dispatcher, dispatch, asked.body, answer_text(document))
        writer = asked.writer()
        piece = writer.feed(chunk_of(document)) + writer.finish(report_of(dispatch))
        return Streaming(pieces=_once(piece), headers=headers | headers_of(dispatch))


class Begun:
    """A stream of one call that was read up to its first good token. Close its `batches`."""

    answering: Answering

    def __init__(self, call: Call, body: Object) -> None:
        self.call = call
        self.batches = self._read(sent(body, call))
        self._first: list[Batch] = []

    async def begin(self) -> None:
        """Read up to the first good token.

        Raises:
            ProviderError: the stream failed before; another endpoint may be asked.
        """
        async for batch in self.batches:
            self._first.append(batch)
            if any(is_good(chunk) for chunk in batch.chunks):
                self.call.note_first_byte()
                return

    async def whole(self) -> AsyncGenerator[Batch]:
        """Yield what was read at the beginning, and all that follows."""
        for batch in self._first:
            yield batch
        async for batch in self.batches:
            yield batch

    async def _read(self, body: Object) -> AsyncGenerator[Batch]:
        async with exchange_with(self.call.provider, body, stream=True) as self.answering:
            async for batch in self.answering.batches():
                yield batch


class Passage:
    """A stream on its way from an endpoint to the client.

    `headers` are known once it has begun, `ending` (how it ended, and what it cost) behind its pieces.
    """

    headers: dict[str, str]
    ending = b""

    def __init__(self, dispatcher: Dispatcher, dispatch: Dispatch, asked: Asked) -> None:
        self._dispatcher = dispatcher
        self._dispatch = dispatch
        self._asked = asked
        chosen = dispatch.wanted.choice is not None
        self._heard: list[Batch] | None = [] if chosen and dispatcher.overseer else None

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yield nothing once the answer has begun well, then its events, and settle.

        From then on a failure is told in the ending.

        Raises:
            HoldfastError: no endpoint began well.
        """
        dispatch, writer = self._dispatch, self._asked.writer()
        try:
            async with dispatch:
                begun = await dispatch.run(self._begin)
                async with aclosing(begun.batches):
                    dispatch.left_out = begun.answering.left_out
                    self.headers = headers_of(dispatch, begun.call)
                    yield b""
                    try:
                        async for batch in begun.whole():
                            if self._heard is not None:
                                self._heard.append(batch)
                            if piece := written(writer, batch):
                                yield piece
                        _succeed(dispatch, begun.call, begun.answering)
                    except ProviderError as error:
                        begun.call.fail(error)
                        self.ending = writer.fail(status_of(error), error.message)
                        return
                self.ending = writer.finish(report_of(dispatch))
        except StorageError as error:
            if not self.ending:
                raise
            warn("the request %s was answered and could not be booked: %s", dispatch.id, error)
        self._tell_overseer()

    async def _begin(self, call: Call) -> Begun:
        begun = Begun(call, self._asked.body)
        await begun.begin()
        return begun

    def _tell_overseer(self) -> None:
        """Let what the client heard be looked at."""
        if self._heard is not None:
            text = streamed_text(each for batch in self._heard for each in batch.chunks)
            if text is not None:
                _tell_overseer(self._dispatcher, self._dispatch, self._asked.body, text)


async def _ask_whole(dispatch: Dispatch, call: Call, body: Object) -> Document:
    """Make one call for a whole answer, and tell the call how it ended."""
    made = sent(body, call)
    if body.get("stream"):
        made = {name: each for name, each in made.items() if name not in _OF_STREAMS}
    async with exchange_with(call.provider, made, stream=False) as answering:
        document = await answering.document()
    dispatch.left_out = answering.left_out
    _succeed(dispatch, call, answering)
    return document


def _tell_overseer(dispatcher: Dispatcher, dispatch: Dispatch, body: Object, text: str) -> None:
    """Let an answer that goes out be looked at behind the client's back, if anybody does so."""
    overseer = dispatcher.overseer
    if overseer is None or dispatch.ask.answers > 1:
        return

    async def again(ask: Ask) -> tuple[str, int | None]:
        async with Dispatch(dispatcher, ask) as other:
            document = await other.run(lambda call: _ask_whole(other, call, body))
        return answer_text(document), other.charged_msat

    if (told := answered_by(dispatch, text, again)) is not None:
        overseer.answered(told)


async def _once(piece: bytes) -> AsyncGenerator[bytes]:
    yield piece


def _succeed(dispatch: Dispatch, call: Call, answering: Answering) -> None:
    dispatch.cut_off = answering.reason == "length"
    call.span.set(finish_reason=answering.reason or "stop")
    call.succeed(answering.usage, charged_msat=answering.charged_msat, free=answering.free)


def sent(body: Object, call: Call) -> Document:
    """Return a body for one call: the model's name there, and the limit that the budget pays for."""
    made = {**body, "model": call.model}
    if call.max_tokens is not None:
        made[limit_name(body)] = call.max_tokens
    return made


def is_good(chunk: Object) -> bool:
    """Tell whether a chunk holds a part of the answer, so that the client must not see another's."""
    for each in as_list(chunk.get("choices")):
        choice = as_object(each)
        delta = as_object(choice.get("delta"))
        if choice.get("finish_reason") or any(v for k, v in delta.items() if k != "role"):
            return True
    return False


def report_of(dispatch: Dispatch) -> Document:
    """Return what a request cost and who served it, for the last chunk of a stream."""
    served = dispatch.served
    report: Document = {"request_id": dispatch.id, "retries": _retries(dispatch)}
    if served is not None:
        msat = _charged(dispatch)
        report |= {
            "provider": served.provider,
            "model": served.model,
            "cost_msat": msat,
            "cost_sats": None if msat is None else msat / 1000,
            "latency_ms": served.latency_ms,
        }
    return report


def headers_of(dispatch: Dispatch, call: Call | None = None) -> dict[str, str]:
    """Return the headers of an answer; those of a stream cannot know its cost yet."""
    headers: dict[str, str] = {}
    if call is not None:
        headers = _place(call.candidate.endpoint.provider, call.model)
    served = dispatch.served
    if served is not None:
        headers |= _place(served.provider, served.model)
        headers["x-holdfast-latency-ms"] = str(served.latency_ms)
        if (msat := _charged(dispatch)) is not None:
            headers["x-holdfast-cost-msat"] = str(msat)
            headers["x-holdfast-cost-sats"] = f"{msat / 1000:.3f}"
    if retries := _retries(dispatch):
        headers["x-holdfast-retries"] = _plain(retries)
    if dispatch.left_out:
        headers["x-holdfast-left-out"] = ", ".join(dispatch.left_out)
    if policy := dispatch.wanted.policy.name:
        headers["x-holdfast-policy"] = _plain(policy)
    if (choice := dispatch.wanted.choice) is not None:
        headers |= {name: _plain(text) for name, text in told_of(choice, dispatch.steps).items()}
    return headers


def _charged(dispatch: Dispatch) -> int | None:
    """Return what a request cost: both answers of a cascade, and what failed calls were charged."""
    served = dispatch.served
    if len(dispatch.attempts) > 1 or served is None:
        return dispatch.charged_msat
    return served.charged_msat


def _place(provider: str, model: str) -> dict[str, str]:
    return {"x-holdfast-provider": _plain(provider), "x-holdfast-model": _plain(model)}


def _plain(text: str) -> str:
    """Return a text that a header can hold."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)


def _retries(dispatch: Dispatch) -> str:
    """Return how often who failed before the answer: `2/alpha, 1/beta`."""
    failed: dict[str, int] = {}
    for attempt in dispatch.attempts:
        if attempt is not dispatch.served and attempt.outcome != OK:
            failed[attempt.provider] = failed.get(attempt.provider, 0) + 1
    return ", ".join(f"{times}/{name}" for name, times in failed.items())
