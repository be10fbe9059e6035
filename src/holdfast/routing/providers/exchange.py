"""One answer of an endpoint while it comes in, in the form that all answers have inside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import orjson

from holdfast.errors import (
    ErrorInAnswer,
    MalformedAnswer,
    ProviderError,
    ProviderRefused,
    ProviderUnavailable,
)
from holdfast.routing.config import ProviderConfig
from holdfast.routing.dialects.seam import Dialect, Document, Object, Stamp, StreamReader
from holdfast.routing.faults import Fault
from holdfast.routing.prices.charges import Charges
from holdfast.routing.providers import failures
from holdfast.routing.seam import Usage
from holdfast.routing.usage import sum_up
from holdfast.tracing.meaning import TokenUsage

if TYPE_CHECKING:
    from holdfast.routing.providers.transport import Answer


class Exchange:
    """An answer whose status was success; read it once, as `batches` or as a `document`.

    `calls` is how many requests were sent to get it, `finished` whether the answer is whole: what
    goes wrong behind its end does no harm. `usage` and `charged_msat` are known at the end.
    """

    free = False

    def __init__(
        self,
        config: ProviderConfig,
        dialect: Dialect,
        answer: Answer,
        stamp: Stamp,
        calls: int,
        charges: Charges,
    ) -> None:
        self.calls = calls
        self.finished = False
        self.charged_msat = charges.in_headers(answer.headers)
        self._told = TokenUsage()
        self._config = config
        self._dialect = dialect
        self._answer = answer
        self._stamp = stamp
        self._charges = charges

    @property
    def usage(self) -> Usage:
        """What the endpoint says was used; None where it does not say."""
        return sum_up(self._told)

    async def batches(self) -> AsyncIterator[Sequence[Document]]:
        """Yield chat chunks, those that arrived together in one batch.

        An endpoint that answers with one document though a stream was asked for is read as well.

        Raises:
            ProviderError: an error in the stream, or an end before the answer's; `fault` says which.
        """
        pieces = self._answer.pieces
        first = await _first(pieces)
        if first.lstrip()[:1] in (b"{", b"<"):
            yield [chunk_of(self._read_document(await _rest(first, pieces)))]
            return
        reader = self._dialect.reader(self._stamp)
        try:
            async for chunks in self._chunks(reader, _from(first, pieces)):
                if usage := chunks[-1].get("usage"):
                    self._note_charge(usage)
                yield chunks
        except ErrorInAnswer as error:
            raise failures.body_failure(self._config, self._stamp.model, error) from None
        except MalformedAnswer as error:
            raise self._named(error) from None
        finally:
            self._told, self.finished = reader.usage, reader.finished
        if not reader.finished:
            raise ProviderUnavailable(
                f"provider {self._config.name!r} broke off before the end of its answer",
                hint="try again; the part that arrived is not used",
                fault=Fault.TRUNCATED,
            )

    async def document(self) -> Document:
        """Return the whole answer as a chat completion.

        Raises:
            ProviderError: as above.
        """
        pieces = self._answer.pieces
        return self._read_document(await _rest(await _first(pieces), pieces))

    def _read_document(self, body: bytes) -> Document:
        if body.lstrip()[:1] == b"<":
            raise ProviderRefused(
                f"provider {self._config.name!r} answered with a web page",
                hint=f"check its base_url {self._config.base_url!r}; it usually ends in /v1",
                fault=Fault.MALFORMED,
            )
        try:
            read = cast("object", orjson.loads(body))
        except orjson.JSONDecodeError:
            read = None
        if not isinstance(read, Mapping):
            raise self._malformed()
        answer = cast("Object", read)
        try:
            document = self._dialect.decode(answer, self._stamp)
        except ErrorInAnswer as error:
            raise failures.body_failure(self._config, self._stamp.model, error) from None
        except MalformedAnswer as error:
            raise self._named(error) from None
        self.finished = True
        self._told = self._dialect.usage(answer)
        self._note_charge(document.get("usage"))
        return document

    def _note_charge(self, usage: object) -> None:
        told = self._charges.in_usage(usage)
        if told is not None:
            self.charged_msat = told

    async def _chunks(
        self, reader: StreamReader, pieces: AsyncIterator[bytes]
    ) -> AsyncIterator[Sequence[Document]]:
        frames = self._dialect.frames()
        async for piece in pieces:
            chunks: list[Document] = []
            try:
                for frame in frames.feed(piece):
                    chunks += reader.feed(frame.event, frame.data)
            except ProviderError:
                if reader.finished and chunks:
                    yield chunks  # the end of the answer came in the same piece as the fault behind it
                raise
            if chunks:
                yield chunks
            if reader.ended:
                return
        if chunks := [c for f in frames.finish() for c in reader.feed(f.event, f.data)]:
            yield chunks

    def _malformed(self) -> ProviderUnavailable:
        return ProviderUnavailable(
            f"provider {self._config.name!r} sent something that is not JSON in its answer",
            hint="try again; the part that arrived is not used",
            fault=Fault.MALFORMED,
        )

    def _named(self, error: ProviderError) -> ProviderError:
        """Return an error of reading that says whose answer it was."""
        return ProviderUnavailable(
            f"provider {self._config.name!r} sent an answer that cannot be read: {error.message}",
            hint=error.hint or "try again; the part that arrived is not used",
            fault=error.fault,
        )


def chunk_of(document: Object) -> Document:
    """Return a whole answer as the one chunk of a stream."""
    made = {**document, "object": "chat.completion.chunk"}
    choices = cast("list[Object]", document.get("choices") or [])
    made["choices"] = [
        {"index": each.get("index", 0), "delta": each.get("message") or {},
         "finish_reason": each.get("finish_reason") or "stop"}
        for each in choices
    ]  # fmt: skip
    return made


async def _first(pieces: AsyncIterator[bytes]) -> bytes:
    """Return the beginning of a body up to the first byte that is not white space."""
    begun = b""
    async for piece in pieces:
        begun += piece
        if begun.strip():
            break
    return begun


async def _from(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


async def _rest(first: bytes, pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([first, *[piece async for piece in pieces]])
