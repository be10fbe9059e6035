"""One answer of an endpoint while it comes in, in the form that all answers have inside."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
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
from holdfast.routing.dialects.answers import reason_of
from holdfast.routing.dialects.framing import Frame
from holdfast.routing.dialects.seam import (
    Batch,
    Dialect,
    Document,
    Object,
    Stamp,
    StreamReader,
)
from holdfast.routing.dialects.values import as_object
from holdfast.routing.faults import Fault
from holdfast.routing.prices.charges import Charges
from holdfast.routing.providers import failures
from holdfast.routing.seam import Usage
from holdfast.routing.usage import sum_up
from holdfast.tracing.billing.usage import counts_beyond_tokens
from holdfast.tracing.meaning import TokenUsage

if TYPE_CHECKING:
    from holdfast.routing.providers.transport import Answer


_UNTOLD = TokenUsage()


class Exchange:
    """An answer whose status was success; read it once, as `batches` or as a `document`.

    `calls` is how many requests were sent to get it, `finished` whether the answer is whole: what
    goes wrong behind its end does no harm. `left_out` are fields of the request that were not sent, as
    the endpoint does not take them. `usage`, `charged_msat` and `reason` (why it ended) are known at the end.
    """

    free = False
    left_out: tuple[str, ...] = ()
    reason = ""

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
        self._told = _UNTOLD
        self._is_beyond = False
        self._failed: ProviderError | None = None
        self._config = config
        self._dialect = dialect
        self._answer = answer
        self._stamp = stamp
        self._charges = charges

    @property
    def usage(self) -> Usage:
        """What the endpoint says was used; None where it does not say."""
        return sum_up(self._told, beyond_tokens=self._is_beyond)

    async def batches(self) -> AsyncGenerator[Batch]:
        """Yield chat chunks, those that arrived together in one batch.

        An endpoint that answers with one document though a stream was asked for is read as well.

        Raises:
            ProviderError: an error in the stream, or an end before the answer's; `fault` says which.
        """
        piece = await self._first()
        if piece.lstrip()[:1] in (b"{", b"<"):
            document = self._read_document(piece + await self._answer.read_all())
            yield Batch([chunk_of(document)])
            return
        frames, reader = self._dialect.frames(), self._dialect.reader(self._stamp)
        try:
            while not reader.ended:
                batch = self._batch(reader, frames.feed(piece) if piece else frames.finish())
                if batch.chunks:
                    yield batch
                if self._failed is not None:
                    raise self._failed
                if not piece:
                    break
                piece = b"" if reader.ended else await self._answer.read()
        except (ErrorInAnswer, MalformedAnswer) as error:
            raise self._named(error) from None
        finally:
            self._told, self.finished = reader.usage, reader.finished
            self.reason = reader.reason
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
        return self._read_document(await self._answer.read_all())

    def close(self) -> None:
        """Let the endpoint go; before the end of the answer that stops its work."""
        self._answer.close()

    async def _first(self) -> bytes:
        """Return the beginning of a body up to the first byte that is not white space."""
        begun = await self._answer.read()
        while begun.isspace() and (piece := await self._answer.read()):
            begun += piece
        return begun

    def _read_document(self, body: bytes) -> Document:
        if body[:1] != b"{" and body.lstrip()[:1] == b"<":
            raise ProviderRefused(
                f"provider {self._config.name!r} answered with a web page",
                hint=f"check its base_url {self._config.base_url!r}; it usually ends in /v1",
                fault=Fault.MALFORMED,
            )
        try:
            read = cast("object", orjson.loads(body))
        except orjson.JSONDecodeError:
            read = None
        if not isinstance(read, dict):
            raise self._malformed()
        answer = cast("Object", read)
        try:
            document = self._dialect.decode(answer, self._stamp)
        except (ErrorInAnswer, MalformedAnswer) as error:
            raise self._named(error) from None
        self.finished = True
        self._told, self.reason = self._dialect.usage(answer), reason_of(document)
        self._note_usage(document.get("usage"))
        return document

    def _note_usage(self, usage: object) -> None:
        """Note what the provider says it charged, and whether it counted more than tokens."""
        told = self._charges.in_usage(usage)
        if told is not None:
            self.charged_msat = told
        self._is_beyond = counts_beyond_tokens(as_object(usage))

    def _batch(self, reader: StreamReader, frames: Sequence[Frame]) -> Batch:
        """Return the chunks of some events; those before a fault count if the answer was whole then."""
        chunks: list[Document] = []
        came: list[bytes] = []
        try:
            for event, data in frames:
                if made := reader.feed(event, data):
                    chunks += made
                    came.append(data)
        except ProviderError as error:
            if not (reader.finished and chunks):
                raise
            self._failed = error
        if chunks and (usage := chunks[-1].get("usage")):
            self._note_usage(usage)
        return Batch(chunks, events_of(came) if reader.passes else b"")

    def _malformed(self) -> ProviderUnavailable:
        return ProviderUnavailable(
            f"provider {self._config.name!r} sent something that is not JSON in its answer",
            hint="try again; the part that arrived is not used",
            fault=Fault.MALFORMED,
        )

    def _named(self, error: ErrorInAnswer | MalformedAnswer) -> ProviderError:
        """Return a fault of reading as an error that says whose answer it was."""
        if isinstance(error, ErrorInAnswer):
            return failures.body_failure(self._config, self._stamp.model, error)
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


def events_of(datas: Sequence[bytes]) -> bytes:
    """Return data as server-sent events, nothing if some cannot be written on one line."""
    if not datas or any([b"\n" in data for data in datas]):  # noqa: C419 - a list is quicker
        return b""
    return b"data: %b\n\n" % b"\n\ndata: ".join(datas)
