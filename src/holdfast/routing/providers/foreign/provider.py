"""A provider of any kind that litellm knows: Bedrock, Vertex, Cohere, watsonx and many more."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from holdfast.clock import Clock
from holdfast.errors import HoldfastError, ProviderError, ProviderRefused
from holdfast.routing.config import ProviderConfig
from holdfast.routing.cost import cost_msat
from holdfast.routing.dialects.seam import Document, Object
from holdfast.routing.prices.charges import Charges
from holdfast.routing.providers.chat import Gathered, body_of, checked_key
from holdfast.routing.providers.foreign.asking import chat_arguments, embedding_arguments
from holdfast.routing.providers.foreign.exchange import ForeignExchange, Waits, plain
from holdfast.routing.providers.foreign.failing import failure_of
from holdfast.routing.providers.foreign.library import close_connections, library
from holdfast.routing.providers.habits import Habits
from holdfast.routing.providers.learned import Fitting, Learned
from holdfast.routing.seam import ModelReply, ModelRequest, OnText, Price, Traits

if TYPE_CHECKING:
    from holdfast.tracing.billing.money import Exchange as Money


class ForeignProvider:
    """Ask one endpoint through litellm."""

    embeds = True

    def __init__(
        self,
        config: ProviderConfig,
        *,
        clock: Clock,
        money: Money | None = None,
        learned: Learned | None = None,
    ) -> None:
        self.config = config
        self._clock = clock
        self._charges = Charges(clock, money)
        self._learned = learned or Learned(clock)

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def traits(self) -> Traits:
        return self.config.traits

    def models(self) -> tuple[str, ...]:
        return tuple(self.config.models)

    def serves(self, model: str) -> bool:
        return not self.config.models or model in self.config.models

    def price(self, model: str) -> Price | None:
        return self.config.models.get(model)

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

    @asynccontextmanager
    async def exchange(self, body: Object, *, stream: bool) -> AsyncGenerator[ForeignExchange]:
        """Send a chat body and give its answer; leaving early stops the work upstream.

        What the endpoint or litellm's adapter of it does not take is left out, as `ChatProvider` does.

        Raises:
            ProviderError: with its `fault`.
            Untranslatable: a part of the request cannot be handed on.
        """
        fitting, model = Fitting(self._learned, self.config, body), cast("str", body["model"])
        litellm = await self._library()
        waits = Waits(self.config.timeouts)
        calls, answer = 0, None
        while answer is None:
            calls, sent = calls + 1, fitting.body
            arguments = chat_arguments(self.config, sent, stream=stream)
            try:
                answer = await self._begin(litellm.acompletion, model, arguments, waits)
            except ProviderRefused as error:
                if not (fitting.adapt(error.message) and fitting.body != sent):
                    raise

        def failing(error: Exception, begun: bool) -> ProviderError:  # noqa: FBT001
            return self._failure(model, error, begun=begun)

        exchange = ForeignExchange(self.config, answer, waits, failing, self._charges)
        exchange.calls, exchange.left_out = calls, fitting.left_out
        try:
            await fitting.learn()
            yield exchange
        finally:
            if stream:
                await answer.aclose()

    def learned(self) -> Mapping[str, Habits]:
        """Return what was learned and is left out for now, by model."""
        return self._learned.of(self.config)

    async def embed(self, body: Object) -> tuple[Document, int | None]:
        """Send a request for embeddings, and return the answer; litellm leaves out what it charged.

        Raises:
            ProviderError: with its `fault`.
            Untranslatable: as above.
        """
        model = cast("str", body["model"])
        arguments = embedding_arguments(self.config, body)
        litellm = await self._library()
        waits = Waits(self.config.timeouts)
        return plain(await self._begin(litellm.aembedding, model, arguments, waits)), None

    async def close(self) -> None:
        await close_connections()

    async def _library(self) -> Any:
        checked_key(self.config)
        return await library(self.name)

    async def _begin(
        self,
        ask: Any,
        model: str,
        arguments: Mapping[str, object],
        waits: Waits,
    ) -> Any:
        try:
            async with waits.begin():
                return await ask(**arguments)
        except TimeoutError:
            raise waits.failure(self.name, begun=False) from None
        except HoldfastError:
            raise
        except Exception as error:  # noqa: BLE001 - it raises what it likes
            # `from None`: its errors carry requests, and with them keys.
            raise self._failure(model, error, begun=False) from None

    def _failure(self, model: str, error: Exception, *, begun: bool) -> ProviderError:
        now_ms = self._clock.now_ms()
        return failure_of(self.config, model, error, begun=begun, now_ms=now_ms)
