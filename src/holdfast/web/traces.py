"""Traces over HTTP: OTLP in, and what a viewer asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from holdfast.errors import StorageError, UsageError
from holdfast.tracing.entries import Entry, Part
from holdfast.tracing.exports.plain import plain_value, span_data
from holdfast.tracing.otlp.binary import decode_binary, response_binary
from holdfast.tracing.otlp.reports import Malformed, Taken
from holdfast.tracing.otlp.text import decode_text
from holdfast.tracing.payload import KeepPart
from holdfast.tracing.payloads.keeping import Payloads
from holdfast.tracing.payloads.reading import resolve
from holdfast.tracing.skeleton import skeleton_of
from holdfast.tracing.store.seam import Query, TraceStore
from holdfast.web.http import Answer, Refused, Request, json_answer, not_understood
from holdfast.web.intake import Intake

if TYPE_CHECKING:
    from holdfast.tracing.digest import TraceDigest

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_RETRY_SECONDS = 5
_MOST_LISTED = 500


class TraceRoutes:
    """Answers everything about traces. `payloads` makes what keeps payloads, given where parts go."""

    def __init__(self, store: TraceStore, payloads: Callable[[KeepPart], Payloads]) -> None:
        self._store = store
        self._intake = Intake(store)
        self._parts: list[Part] = []
        self._payloads = payloads(self._keep)

    def close(self) -> None:
        """Store what is waiting."""
        self._intake.close()

    async def answer(self, request: Request) -> Answer | None:
        """Answer a request below `/v1/traces` or `/api/traces`, None for any other.

        Raises:
            Refused: the method is not understood, or what was sent.
        """
        match (request.method, *request.path.strip("/").split("/")):
            case ("POST", "v1", "traces"):
                return await self.take(request)
            case ("GET", "api", "traces"):
                return await self.list(request)
            case ("GET", "api", "traces", trace_id, "skeleton"):
                return await self.skeleton(trace_id)
            case ("GET", "api", "traces", trace_id, "spans", span_id):
                return await self.span(trace_id, span_id)
            case (_, "v1", "traces"):
                raise not_understood(request, "POST")
            case (_, "api", "traces", *_):
                raise not_understood(request, "GET")
            case _:
                return None

    def refuse(self, request: Request, refused: Refused) -> Answer | None:  # noqa: ARG002 - as others
        """Return None: traces have no words of their own for what goes wrong."""
        return None

    async def take(self, request: Request) -> Answer:
        """Take spans in: `POST /v1/traces`. The answer comes when they are stored."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in (PROTOBUF, JSON):
            raise Refused(415, f"send OTLP as {PROTOBUF} or {JSON}, not {kind or 'nothing'!r}")
        body = await request.body()
        try:
            taken = decode_binary(body) if kind == PROTOBUF else decode_text(body)
        except Malformed as error:
            raise Refused(400, error.message) from error
        except UsageError as error:
            raise Refused(415, f"{error.message}: {error.hint}") from error
        await self._keep_spans(taken)
        return _took(kind, taken)

    async def list(self, request: Request) -> Answer:
        """List traces: `GET /api/traces?limit=&cursor=&status=&text=`."""
        asked = request.query
        limit = asked.get("limit", "50")
        if not limit.isdecimal() or not 0 < int(limit) <= _MOST_LISTED:
            raise Refused(400, f"limit must be a number from 1 to {_MOST_LISTED}")
        query = Query(
            text=asked.get("text", ""), name=asked.get("name", ""), user=asked.get("user", "")
        )
        page = await asyncio.to_thread(
            self._store.traces, query, limit=int(limit), cursor=asked.get("cursor", "")
        )
        listed = [_listed(each) for each in page.traces]
        return json_answer({"traces": listed, "cursor": page.cursor or None})

    async def skeleton(self, trace_id: str) -> Answer:
        """Return the skeleton of a trace: `GET /api/traces/ID/skeleton`."""
        spans = await asyncio.to_thread(self._store.spans, trace_id)
        if not spans:
            raise Refused(404, f"there is no trace {trace_id!r}")
        return json_answer(skeleton_of(spans))

    async def span(self, trace_id: str, span_id: str) -> Answer:
        """Return all of a span, payloads too: `GET /api/traces/ID/spans/SPAN`."""
        return await asyncio.to_thread(self._span, trace_id, span_id)

    def _span(self, trace_id: str, span_id: str) -> Answer:
        found = [each for each in self._store.spans(trace_id) if each.span_id == span_id]
        if not found:
            raise Refused(404, f"trace {trace_id!r} has no span {span_id!r}")
        whole = {
            name: plain_value(resolve(value, self._store.part))
            for name, value in found[0].attributes.items()
        }
        return json_answer({**span_data(found[0]), "attributes": whole})

    def _keep(self, hash_: bytes, data: bytes) -> None:
        self._parts.append(Part(hash=hash_, data=data))

    async def _keep_spans(self, taken: Taken) -> None:
        if not taken.spans:
            return
        spans = [self._payloads.prepare_span(span) for span in taken.spans]
        parts, self._parts = self._parts, []
        entries: list[Entry] = [*parts, *spans]
        try:
            await self._intake.add(entries)
        except StorageError as error:
            self._payloads.forget(part.hash for part in parts)
            raise Refused(
                503, f"not stored: {error.message}", headers={"retry-after": str(_RETRY_SECONDS)}
            ) from error


def _took(kind: str, taken: Taken) -> Answer:
    if kind == PROTOBUF:
        return Answer(body=response_binary(taken.rejected, taken.why), kind=PROTOBUF)
    if not taken.rejected:
        return json_answer({})
    told = {"rejectedSpans": str(taken.rejected), "errorMessage": taken.why}
    return json_answer({"partialSuccess": told})


def _listed(digest: TraceDigest) -> dict[str, object]:
    return {
        "id": digest.trace_id,
        "name": digest.name,
        "status": digest.status,
        "start_us": digest.start_ns // 1000,
        "duration_us": digest.duration_ns // 1000,
        "spans": digest.spans,
        "errors": digest.errors,
        "error": digest.error,
        "cost_msat": digest.cost_msat,
    }
