"""Any endpoint that answers chat requests, in whatever wire format it speaks.

For workflows answers are asked for as a stream, so that text can be shown as it comes and a
cancelled call stops the generation. Prompts are sent exactly as they were written.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, cast

import orjson

from holdfast.clock import Clock
from holdfast.errors import ErrorInAnswer, ProviderError, ProviderRefused, ProviderUnavailable
from holdfast.routing.config import ProviderConfig
from holdfast.routing.cost import cost_msat
from holdfast.routing.dialects import failing
from holdfast.routing.dialects.openai import OpenAI
from holdfast.routing.dialects.seam import Dialect, Document, Object, Stamp
from holdfast.routing.dialects.values import as_object
from holdfast.routing.faults import Fault
from holdfast.routing.prices.charges import Charges
from holdfast.routing.providers import failures
from holdfast.routing.providers.exchange import Exchange
from holdfast.routing.providers.habits import TAKES_ALL, Habits
from holdfast.routing.providers.learned import Fitting, Learned
from holdfast.routing.seam import ModelReply, ModelRequest, OnText, Price, Traits
from holdfast.routing.structured import is_strict
from holdfast.tracing.propagation import current, headers_of

if TYPE_CHECKING:
    from holdfast.routing.providers.transport import Answer, Transport
    from holdfast.tracing.billing.money import Exchange as Money

_LISTS = {"ollama": "/v1/models"}
"""Where an endpoint of a kind lists its models, if not below its base address."""
_MAX_ERROR_BYTES = 64 * 1024
_SCHEMA_NAME = re.compile(r"[^A-Za-z0-9_-]")


class ChatProvider:
    """Ask one endpoint."""

    def __init__(
        self,
        config: ProviderConfig,
        *,
        clock: Clock,
        dialect: Dialect | None = None,
        money: Money | None = None,
        learned: Learned | None = None,
    ) -> None:
        self._config = config
        self._traits = config.traits
        self._clock = clock
        self._dialect = dialect
        self._charges = Charges(clock, money)
        self._transport: Transport | None = None
        self._learned = learned or Learned(clock)
        self._models = config.models
        self._discovers = config.auto_discover
        self.limits: Mapping[str, int] = {}
        self._late: Callable[[str], Price | None] | None = None
        self._sent_headers: Mapping[str, str] | None = None
        self._sent_key: str | None = None

    @property
    def name(self) -> str:
        return self._config.name

    @property
    def traits(self) -> Traits:
        return self._traits

    def models(self) -> tuple[str, ...]:
        return tuple(self._models)

    def serves(self, model: str) -> bool:
        # What an endpoint has that was not asked yet nobody knows.
        return self._discovers or not self._models or model in self._models

    def price(self, model: str) -> Price | None:
        if self._late is not None and model not in self._models:
            return self._late(model)
        return self._models.get(model)

    def key(self) -> str | None:
        """Return the key to send, None if none is needed.

        Raises:
            ProviderRefused: there is none, or it is no key.
        """
        return checked_key(self._config)

    @property
    def config(self) -> ProviderConfig:
        """What the provider was configured as."""
        return self._config

    def offer(
        self,
        models: Mapping[str, Price | None],
        late: Callable[[str], Price | None] | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        """Serve these models for these prices from now on; a dispatcher reads them by `refresh`.

        `late` tells the price of a model beside them, `limits` the most tokens out of those that have any.
        """
        self._models, self._discovers, self._late = models, False, late
        self.limits = limits or {}

    @property
    def embeds(self) -> bool:
        """Whether embeddings may be asked for here: they are passed on in OpenAI's form only."""
        return self._config.kind == "openai"

    async def embed(self, body: Object) -> tuple[Document, int | None]:
        """Send a request for embeddings with all that is in it; return the answer, and its charge if told.

        Raises:
            ProviderError: with its `fault`.
        """
        dialect, model = self._speak(TAKES_ALL), cast("str", body["model"])
        sent = orjson.dumps(body, default=dict)
        with closing(await self._send(dialect, "/embeddings", sent)) as answer:
            if answer.status != 200:
                _, error = await self._rejection(dialect, model, answer)
                raise error
            read = self._embeddings(model, await answer.read_all())
            charged = self._charges.in_usage(read.get("usage"))
            return read, self._charges.in_headers(answer.headers) if charged is None else charged

    def _embeddings(self, model: str, body: bytes) -> Document:
        try:
            read = dict(as_object(orjson.loads(body)))
            failing.raise_error(read.get("error"))
        except ErrorInAnswer as error:
            raise failures.body_failure(self._config, model, error) from None
        except orjson.JSONDecodeError:
            read = {}
        if not isinstance(read.get("data"), list):
            raise ProviderUnavailable(
                f"provider {self.name!r} sent an answer that holds no embeddings",
                hint="check its base_url; it usually ends in /v1",
                fault=Fault.MALFORMED,
            )
        return read

    async def list_models(self) -> bytes:
        """Return the document in which the endpoint lists its models, within its connect timeout.

        Raises:
            ProviderError: with its `fault`.
        """
        path = _LISTS.get(self._config.kind, "/models")
        waits = self._config.timeouts.connect
        try:
            async with asyncio.timeout(waits):
                with closing(await self._send(self._speak(TAKES_ALL), path, None)) as answer:
                    if answer.status == 200:
                        return await answer.read_all()
                    _, error = await self._rejection(self._speak(TAKES_ALL), path, answer)
                    raise error
        except TimeoutError:
            raise ProviderUnavailable(
                f"provider {self.name!r} did not list its models within {waits:g} s",
                hint="its timeouts.connect is the most that is waited",
                fault=Fault.FIRST_BYTE,
            ) from None

    async def complete(self, request: ModelRequest, on_text: OnText | None) -> ModelReply:
        gathered = Gathered(request.model, on_text)
        async with self.exchange(body_of(request), stream=True) as exchange:
            async for batch in exchange.batches():
                for chunk in batch.chunks:
                    gathered.take(chunk)
        text = "".join(gathered.texts)
        quoted = cost_msat(self.price(request.model), exchange.usage)
        return ModelReply(
            text=text,
            value=text,
            provider=self.name,
            model=request.model,
            usage=exchange.usage,
            cost_msat=quoted if exchange.charged_msat is None else exchange.charged_msat,
            calls=exchange.calls,
            finish_reason=gathered.finish_reason or "stop",
        )

    def exchange(self, body: Object, *, stream: bool) -> AbstractAsyncContextManager[Exchange]:
        """Send a chat body and give its answer; leaving early stops the work upstream.

        What an endpoint does not understand and the answer can do without is left out then, and from
        then on; of what changes the answer, `Exchange.left_out` tells the names.

        Raises:
            ProviderError: with its `fault`.
            Untranslatable: the endpoint's format has no words for a part of the request.
        """
        return _Exchanging(self, body, stream=stream)

    async def begin(self, body: Object, *, stream: bool) -> Exchange:
        """Do what `exchange` does, for a caller who closes what he gets."""
        fitting, model = Fitting(self._learned, self._config, body), cast("str", body["model"])
        stamp = Stamp(id="", created=self._clock.now_ms() // 1000, model=model)
        for calls in count(1):
            dialect = self._speak(fitting.habits)
            sent = dialect.encode({**fitting.body, "stream": stream})
            path = dialect.path(model, stream=stream)
            answer = await self._send(dialect, path, orjson.dumps(sent, default=dict))
            try:
                if answer.status == 200:
                    await fitting.learn()
                    exchange = Exchange(self._config, dialect, answer, stamp, calls, self._charges)
                    exchange.left_out = fitting.left_out
                    return exchange
                status = answer.status
                message, error = await self._rejection(dialect, model, answer)
            except BaseException:
                answer.close()
                raise
            answer.close()
            if status not in (400, 422) or not fitting.adapt(message):
                raise error
        raise AssertionError("counting has no end")

    def learned(self) -> Mapping[str, Habits]:
        """Return what was learned and is left out for now, by model."""
        return self._learned.of(self._config)

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _speak(self, habits: Habits) -> Dialect:
        if self._dialect is not None:
            return self._dialect
        if habits is TAKES_ALL:
            return _PLAIN
        return OpenAI(
            stream_usage=habits.usage,
            completion_tokens=habits.completion_tokens,
            extensions=habits.extensions,
        )

    async def _send(self, dialect: Dialect, path: str, body: bytes | None) -> Answer:
        headers = self._headers(dialect)
        if self._transport is None:
            from holdfast.routing.providers.transport import Transport  # noqa: PLC0415 - TLS

            self._transport = Transport(self._config)
        return await self._transport.send(path, headers=headers, body=body)

    def _headers(self, dialect: Dialect) -> Mapping[str, str]:
        key = self.key()
        if self._sent_headers is None or key != self._sent_key:
            self._sent_headers = {**dialect.headers(key), "Accept-Encoding": "identity"}
            self._sent_key = key
        if self._config.trace_context:
            return {**self._sent_headers, **headers_of(current())}
        return self._sent_headers

    async def _rejection(
        self, dialect: Dialect, model: str, answer: Answer
    ) -> tuple[str, ProviderError]:
        body = b""
        while len(body) <= _MAX_ERROR_BYTES and (piece := await answer.read()):
            body += piece
        after = failures.parse_retry_after(answer.headers.get("retry-after"), self._clock.now_ms())
        message = dialect.error_text(answer.status, body[:_MAX_ERROR_BYTES])
        return message, failures.status_failure(self._config, model, answer.status, message, after)


class _Exchanging:
    """An exchange that lasts as long as a block."""

    __slots__ = ("_body", "_exchange", "_provider", "_stream")

    def __init__(self, provider: ChatProvider, body: Object, *, stream: bool) -> None:
        self._provider = provider
        self._body = body
        self._stream = stream

    async def __aenter__(self) -> Exchange:
        self._exchange = await self._provider.begin(self._body, stream=self._stream)
        return self._exchange

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._exchange.close()
        # Where the answer is complete only its tail is missing.
        return isinstance(error, ProviderUnavailable) and self._exchange.finished


@dataclass(slots=True)
class Gathered:
    """What has been read of an answer so far."""

    model: str
    on_text: OnText | None
    texts: list[str] = field(default_factory=list[str])
    finish_reason: str = ""

    def take(self, chunk: Object) -> None:
        """Read one chunk."""
        choices = cast("list[Object]", chunk.get("choices") or [])
        if not choices:
            return
        self._take_text(cast("Object", choices[0].get("delta") or {}))
        if isinstance(reason := choices[0].get("finish_reason"), str):
            self.finish_reason = reason

    def _take_text(self, delta: Object) -> None:
        if refusal := delta.get("refusal"):
            raise ProviderRefused(
                f"the model {self.model!r} declined to answer: {str(refusal)[:300]}",
                hint="change the prompt, or ask another model",
            )
        text = delta.get("content")
        if isinstance(text, str) and text:
            self.texts.append(text)
            if self.on_text is not None:
                self.on_text(text)


def body_of(request: ModelRequest) -> Document:
    """Return the JSON of a request: the messages as they are, and only what was asked for."""
    body: Document = {
        "model": request.model,
        "messages": [{"role": each.role, "content": each.content} for each in request.messages],
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    if request.output is not None:
        schema = request.output.schema
        named = _SCHEMA_NAME.sub("_", request.output.name)[:64] or "reply"
        form = {"name": named, "schema": schema, "strict": is_strict(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    return body


def checked_key(config: ProviderConfig) -> str | None:
    """Return the key of a provider, None if it needs none.

    Raises:
        ProviderRefused: its variable is not set, or it is no key.
    """
    key, variable = config.api_key, config.key_variable
    if key is None and variable is not None:
        raise ProviderRefused(
            f"provider {config.name!r} has no key: the environment variable {variable} is not set",
            hint=failures.key_hint(config),
            fault=Fault.AUTH,
        )
    if key and not (key.isascii() and key.isprintable()):
        raise ProviderRefused(
            f"the key of provider {config.name!r} holds characters that no key has",
            hint=failures.key_hint(config),
            fault=Fault.AUTH,
        )
    return key


_PLAIN = OpenAI()
