"""Any endpoint that speaks OpenAI's chat completions: OpenAI, OpenRouter, vLLM and more.

Answers are asked for as a stream, so that text can be shown as it comes and a cancelled call
stops the generation. Prompts are sent exactly as they were written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from holdfast.clock import Clock
from holdfast.errors import ProviderError, ProviderRefused, ProviderUnavailable
from holdfast.routing.config import ProviderConfig
from holdfast.routing.cost import cost_msat
from holdfast.routing.providers import failures
from holdfast.routing.providers.sse import EventReader
from holdfast.routing.seam import ModelReply, ModelRequest, OnText, Price, Usage
from holdfast.routing.structured import is_strict
from holdfast.routing.usage import read_usage

if TYPE_CHECKING:
    from holdfast.routing.providers.transport import Answer, Transport

Object = Mapping[str, object]
_MAX_ERROR_BYTES = 64 * 1024
_SCHEMA_NAME = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The parts of the API that not every endpoint has, as far as this one was seen to."""

    schema: bool = True
    usage: bool = True
    completion_tokens: bool = False


class OpenAIProvider:
    """Ask one OpenAI-compatible endpoint."""

    def __init__(self, config: ProviderConfig, *, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._transport: Transport | None = None
        self._dialects: dict[str, Dialect] = {}

    @property
    def name(self) -> str:
        return self._config.name

    def models(self) -> tuple[str, ...]:
        return tuple(self._config.models)

    def serves(self, model: str) -> bool:
        return not self._config.models or model in self._config.models

    def price(self, model: str) -> Price | None:
        return self._config.models.get(model)

    async def complete(self, request: ModelRequest, on_text: OnText | None) -> ModelReply:
        headers, model = self._headers(), request.model
        dialect = self._dialects.get(model, self._first_dialect())
        calls = 0
        while True:
            calls += 1
            outcome = await self._ask(request, dialect, headers, on_text)
            if isinstance(outcome, Reading):
                return self._reply(model, outcome, calls)
            changed = None
            if outcome.status in (400, 422):
                changed = adapt(dialect, outcome.message, self._config.structured_output == "auto")
            if changed is None:
                raise outcome.error
            # A schema that is wrong says nothing about the schemas of other requests.
            if "invalid schema" not in outcome.message.lower():
                self._dialects[model] = changed
            dialect = changed

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.close()

    def _first_dialect(self) -> Dialect:
        return Dialect(schema=self._config.structured_output != "none")

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        key, variable = self._config.api_key, self._config.key_variable
        if key is None and variable is not None:
            raise ProviderRefused(
                f"provider {self.name!r} has no key: the environment variable {variable} "
                "is not set",
                hint=failures.key_hint(self._config),
            )
        if key and not (key.isascii() and key.isprintable()):
            raise ProviderRefused(
                f"the key of provider {self.name!r} holds characters that no key has",
                hint=failures.key_hint(self._config),
            )
        return headers | ({"Authorization": f"Bearer {key}"} if key else {})

    async def _ask(
        self,
        request: ModelRequest,
        dialect: Dialect,
        headers: Mapping[str, str],
        on_text: OnText | None,
    ) -> Reading | Rejection:
        if self._transport is None:
            from holdfast.routing.providers.transport import Transport  # noqa: PLC0415 - heavy

            self._transport = Transport(self._config)
        url = self._config.base_url.rstrip("/") + "/chat/completions"
        body = json.dumps(request_body(request, dialect), default=dict).encode()
        reading = Reading(self._config, request.model, on_text)
        try:
            async with self._transport.post(url, headers=headers, body=body) as answer:
                if answer.status != 200:
                    return await self._rejection(request.model, answer)
                await reading.read(answer)
        except ProviderUnavailable:
            if not reading.finished:  # the answer itself was complete: only its tail is missing
                raise
        return reading

    async def _rejection(self, model: str, answer: Answer) -> Rejection:
        body = b""
        async for piece in answer.pieces:
            body += piece
            if len(body) > _MAX_ERROR_BYTES:
                break
        after = failures.parse_retry_after(answer.headers.get("Retry-After"), self._clock.now_ms())
        message = failures.error_text(body[:_MAX_ERROR_BYTES])
        error = failures.status_failure(self._config, model, answer.status, message, after)
        return Rejection(status=answer.status, message=message, error=error)

    def _reply(self, model: str, reading: Reading, calls: int) -> ModelReply:
        text = "".join(reading.texts)
        return ModelReply(
            text=text,
            value=text,
            provider=self.name,
            model=model,
            usage=reading.usage,
            cost_msat=cost_msat(self.price(model), reading.usage),
            calls=calls,
            finish_reason=reading.finish_reason or "stop",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """An answer with an error status."""

    status: int
    message: str
    error: ProviderError


@dataclass(slots=True)
class Reading:
    """What has been read of an answer so far."""

    config: ProviderConfig
    model: str
    on_text: OnText | None
    texts: list[str] = field(default_factory=list[str])
    usage: Usage = field(default_factory=Usage)
    finish_reason: str = ""
    finished: bool = False

    async def read(self, answer: Answer) -> None:
        """Read a stream of events, or the one JSON document that some endpoints send instead."""
        events, document, is_document = EventReader(), list[bytes](), None
        async for piece in answer.pieces:
            if is_document is None and piece.strip():
                is_document = piece.lstrip()[:1] in (b"{", b"<")
            if is_document:
                document.append(piece)
                continue
            if any(self._is_done(data) for data in events.feed(piece)):
                return
        if document:
            self._take_document(b"".join(document))
        elif not any(self._is_done(data) for data in events.finish()) and not self.finished:
            raise ProviderUnavailable(
                f"provider {self.config.name!r} broke off before the end of its answer",
                hint="try again; the part that arrived is not used",
            )

    def _is_done(self, data: str) -> bool:
        if data.strip() == "[DONE]":
            self.finished = True
            return True
        self._take(_decode(self.config, data), "delta")
        return False

    def _take_document(self, body: bytes) -> None:
        if body.lstrip()[:1] == b"<":
            raise ProviderRefused(
                f"provider {self.config.name!r} answered with a web page",
                hint=f"check its base_url {self.config.base_url!r}; it usually ends in /v1",
            )
        self._take(_decode(self.config, body), "message")
        self.finished = True

    def _take(self, chunk: Object, part: str) -> None:
        if chunk.get("error"):
            raise failures.body_failure(self.config, self.model, chunk["error"])
        if usage := _object(chunk.get("usage")):
            self.usage = read_usage(usage)
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices:
            return
        choice = _object(cast("list[object]", choices)[0])
        self._take_text(_object(choice.get(part)))
        if isinstance(reason := choice.get("finish_reason"), str):
            self.finish_reason, self.finished = reason, True

    def _take_text(self, message: Object) -> None:
        if refusal := message.get("refusal"):
            raise ProviderRefused(
                f"the model {self.model!r} declined to answer: {str(refusal)[:300]}",
                hint="change the prompt, or ask another model",
            )
        text = message.get("content")
        if isinstance(text, str) and text:
            self.texts.append(text)
            if self.on_text is not None:
                self.on_text(text)


def request_body(request: ModelRequest, dialect: Dialect) -> dict[str, object]:
    """Return the JSON of a request: the messages as they are, and only what was asked for."""
    body: dict[str, object] = {
        "model": request.model,
        "messages": [{"role": each.role, "content": each.content} for each in request.messages],
        "stream": True,
    }
    if dialect.usage:
        body["stream_options"] = {"include_usage": True}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_tokens is not None:
        name = "max_completion_tokens" if dialect.completion_tokens else "max_tokens"
        body[name] = request.max_tokens
    if request.output is not None and dialect.schema:
        schema = request.output.schema
        named = _SCHEMA_NAME.sub("_", request.output.name)[:64] or "reply"
        form = {"name": named, "schema": schema, "strict": is_strict(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    return body


def adapt(dialect: Dialect, message: str, may_drop_schema: bool) -> Dialect | None:  # noqa: FBT001
    """Return the dialect without what an endpoint's 400 complains of, None if it is not that."""
    text = message.lower()
    if "max_completion_tokens" in text and not dialect.completion_tokens:
        return replace(dialect, completion_tokens=True)
    if "stream_options" in text and dialect.usage:
        return replace(dialect, usage=False)
    if ("response_format" in text or "json_schema" in text) and dialect.schema and may_drop_schema:
        return replace(dialect, schema=False)
    return None


def _decode(config: ProviderConfig, data: str | bytes) -> Object:
    try:
        return _object(json.loads(data))
    except (ValueError, RecursionError):
        raise ProviderUnavailable(
            f"provider {config.name!r} sent something that is not JSON in its answer",
            hint="try again; the part that arrived is not used",
        ) from None


def _object(value: object) -> Object:
    return cast("Object", value) if isinstance(value, Mapping) else {}
