"""One answer of litellm while it comes in, in the form that all answers have inside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, cast

from holdfast.errors import ProviderError, ProviderUnavailable
from holdfast.routing.config import ProviderConfig, Timeouts
from holdfast.routing.dialects.answers import reason_of
from holdfast.routing.dialects.seam import Batch, Document, Object
from holdfast.routing.dialects.values import as_object
from holdfast.routing.faults import Fault
from holdfast.routing.prices.charges import Charges
from holdfast.routing.seam import Usage
from holdfast.routing.usage import read_usage

Failing = Callable[[Exception, bool], ProviderError]


class ForeignExchange:
    """An answer that has begun; read it once, as `batches` or as a `document`."""

    free = False
    reason = ""

    def __init__(
        self,
        config: ProviderConfig,
        answer: Any,
        waits: Waits,
        failing: Failing,
        charges: Charges,
    ) -> None:
        self.usage = Usage()
        self.charged_msat: int | None = None
        self.calls = 1
        self.left_out: tuple[str, ...] = ()
        self._config = config
        self._answer = answer
        self._waits = waits
        self._failing = failing
        self._charges = charges

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield chat chunks as they come.

        Raises:
            ProviderError: with its `fault`.
        """
        answer, said = aiter(self._answer), False
        while (chunk := await self._next(answer, begun=said)) is not None:
            said = said or _says_something(chunk)
            self.reason = reason_of(chunk) or self.reason
            if usage := as_object(chunk.get("usage")):
                self._note(usage)
            # litellm ends a stream in good order also if no word of it was one of the format.
            elif not said:
                continue
            yield Batch([chunk])
        if not said and not self.usage.output_tokens:
            raise self._empty()

    async def document(self) -> Document:
        """Return the whole answer as a chat completion.

        Raises:
            ProviderError: with its `fault`.
        """
        document = plain(self._answer)
        if not document.get("choices"):
            raise self._empty()
        self._note(as_object(document.get("usage")))
        self.reason = reason_of(document)
        return document

    def _note(self, usage: Object) -> None:
        self.usage = read_usage(usage)
        told = self._charges.in_usage(usage)
        self.charged_msat = self.charged_msat if told is None else told

    async def _next(self, answer: AsyncIterator[object], *, begun: bool) -> Document | None:
        try:
            async with self._waits.next_piece(begun=begun):
                return plain(await anext(answer))
        except StopAsyncIteration:
            return None
        except TimeoutError:
            raise self._waits.failure(self._config.name, begun=begun) from None
        except Exception as error:  # noqa: BLE001 - it raises what it likes
            # `from None`: its errors carry requests, and with them keys.
            raise self._failing(error, begun) from None

    def _empty(self) -> ProviderUnavailable:
        return ProviderUnavailable(
            f"provider {self._config.name!r} sent an answer that holds no message",
            hint="check its base_url and its prefix",
            fault=Fault.MALFORMED,
        )


class Waits:
    """How long an answer is waited for. litellm does not say when it has its connection."""

    def __init__(self, waits: Timeouts) -> None:
        self._waits = waits
        self._end: float | None = None
        self._first: float = 0.0

    def begin(self) -> asyncio.Timeout:
        """Return the limit of the wait for the beginning, from now."""
        now = asyncio.get_running_loop().time()
        self._end = None if self._waits.total is None else now + self._waits.total
        self._first = now + self._waits.connect + self._waits.first_byte
        return asyncio.timeout_at(self._least(self._first))

    def next_piece(self, *, begun: bool) -> asyncio.Timeout:
        """Return the limit of the wait for the next piece, from now."""
        now = asyncio.get_running_loop().time()
        return asyncio.timeout_at(self._least(now + self._waits.idle if begun else self._first))

    def failure(self, name: str, *, begun: bool) -> ProviderUnavailable:
        """Return the error for a wait that is over."""
        now = asyncio.get_running_loop().time()
        if self._end is not None and now >= self._end:
            what = f"took longer than {self._waits.total:g} s for its answer"
        elif begun:
            what = f"fell silent for {self._waits.idle:g} s in the middle of its answer"
        else:
            seconds = self._waits.connect + self._waits.first_byte
            what = f"did not begin to answer within {seconds:g} s"
        fault = Fault.IDLE if begun else Fault.FIRST_BYTE
        hint = "try again later, or add another provider that serves the model"
        return ProviderUnavailable(f"provider {name!r} {what}", hint=hint, fault=fault)

    def _least(self, then: float) -> float:
        return then if self._end is None else min(then, self._end)


def plain(answer: Any) -> Document:
    """Return an answer or a chunk as JSON has it, without what is not set."""
    return _without_nothing(cast("Object", answer.model_dump(mode="json")))


def _without_nothing(value: Object) -> Document:
    return {name: _kept(each) for name, each in value.items() if each is not None}


def _kept(value: object) -> object:
    if isinstance(value, Mapping):
        return _without_nothing(cast("Object", value))
    if isinstance(value, list):
        return [_kept(each) for each in cast("list[object]", value)]
    return value


def _says_something(chunk: Object) -> bool:
    choices = cast("Sequence[Object]", chunk.get("choices") or ())
    deltas = [as_object(choice.get("delta")) for choice in choices]
    return any(value for delta in deltas for name, value in delta.items() if name != "role")
