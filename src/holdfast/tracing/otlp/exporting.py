"""Send spans to an OTLP/HTTP endpoint: in batches below 4 MB, tried again, progress kept on disk.

Source: the OTLP specification 1.5, "OTLP/HTTP": 429, 502, 503 and 504 are worth another try, after
`Retry-After` if it is said; everything else is not.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from holdfast.clock import Clock
from holdfast.errors import ProviderRefused, ProviderUnavailable, StorageError
from holdfast.frozen import slotted
from holdfast.tracing.otlp.text import encode_text
from holdfast.tracing.span import Span

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

MOST_BYTES = 4_000_000
_AT_ONCE = 2000
_TRIES = 5
_AGAIN = frozenset({429, 502, 503, 504})
_LONGEST_WAIT = 60.0
_MOST_SAID = 200


@slotted
class Sent:
    """What came of sending: spans that were taken, and those that the other side rejected."""

    spans: int = 0
    rejected: int = 0
    why: str = ""
    batches: int = 0


class Progress:
    """Which traces were sent to an endpoint, in a file, so that the next try goes on behind them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            done: Any = json.loads(path.read_text("utf-8"))
            if not isinstance(done, dict):
                raise ValueError("it is no JSON object")  # noqa: TRY004 - told as damage below
            self._done = cast("dict[str, int]", done)
        except FileNotFoundError:
            self._done: dict[str, int] = {}
        except (OSError, ValueError) as error:
            raise StorageError(
                f"the progress of sending in {str(path)!r} cannot be read: {error}",
                hint="remove it: then everything is sent again",
            ) from error

    def is_done(self, trace_id: str, spans: int) -> bool:
        """Whether so many spans of a trace were sent already."""
        return self._done.get(trace_id) == spans

    def note(self, trace_id: str, spans: int) -> None:
        """Keep that they were sent."""
        self._done[trace_id] = spans
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(self._done), "utf-8")
            beside.replace(self._path)
        except OSError as error:
            raise StorageError(f"{str(self._path)!r} cannot be written: {error}") from error


async def send_traces(
    traces: Iterable[str],
    load: Callable[[str], Sequence[Span]],
    url: str,
    *,
    headers: Mapping[str, str],
    progress: Progress,
    clock: Clock,
) -> Sent:
    """Send the spans of traces that were not sent before; what was sent is kept at once.

    Raises:
        ProviderUnavailable: the endpoint cannot be reached, or is busy; what was sent is kept.
        ProviderRefused: it does not take them.
    """
    import aiohttp  # noqa: PLC0415 - only where spans are sent

    sent = Sent()
    async with aiohttp.ClientSession(headers=dict(headers)) as session:
        for trace_id in traces:
            spans = load(trace_id)
            if progress.is_done(trace_id, len(spans)):
                continue
            async for batch in _batches(spans):
                await _post(session, url, batch, sent, clock)
            sent.spans += len(spans)
            progress.note(trace_id, len(spans))
    return sent


async def _batches(spans: Sequence[Span]) -> AsyncIterator[bytes]:
    """Yield requests below the limit; one span that is larger alone goes alone."""
    for start in range(0, len(spans), _AT_ONCE):
        waiting = [spans[start : start + _AT_ONCE]]
        while waiting:
            some = waiting.pop()
            body = encode_text(some)
            if len(body) > MOST_BYTES and len(some) > 1:
                middle = len(some) // 2
                waiting += [some[middle:], some[:middle]]
            else:
                yield body


async def _post(session: ClientSession, url: str, body: bytes, sent: Sent, clock: Clock) -> None:
    from aiohttp import ClientError  # noqa: PLC0415 - as above

    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    packed, why = gzip.compress(body, 5), ""
    for number in range(1, _TRIES + 1):
        wait = min(_LONGEST_WAIT, 2.0 ** (number - 1))
        try:
            async with session.post(url, data=packed, headers=headers) as response:
                if response.status not in _AGAIN:
                    await _take_answer(response, url, sent)
                    return
                why = f"{url} answers {response.status}"
                wait = _asked_wait(response, wait)
        except (OSError, ClientError) as error:
            why = f"{url} cannot be reached: {error}"
        if number < _TRIES:
            await clock.sleep(wait)
    raise ProviderUnavailable(
        f"{why}, {_TRIES} times", hint="what was sent is kept; send again to go on behind it"
    )


async def _take_answer(response: ClientResponse, url: str, sent: Sent) -> None:
    text = await response.text(errors="replace")
    if response.status >= 300:
        raise ProviderRefused(
            f"{url} does not take spans: {response.status} {_reason(response, text)}",
            hint="the address of an OTLP endpoint ends in /v1/traces; a key goes into --header",
        )
    sent.batches += 1
    try:
        answered: Any = json.loads(text or "{}")
        partial: Any = answered.get("partialSuccess") or {}
        rejected = int(partial.get("rejectedSpans") or 0)
    except (ValueError, AttributeError, TypeError):
        return
    if rejected:
        sent.rejected += rejected
        sent.why = sent.why or str(partial.get("errorMessage") or "")


def _reason(response: ClientResponse, text: str) -> str:
    """Return in one line why a request was refused: what the body says, unless it is a page."""
    try:
        answered: Any = json.loads(text)
    except ValueError:
        said = "" if text.lstrip().startswith("<") else text
    else:
        said = _message_of(answered)
    return " ".join(said.split())[:_MOST_SAID] or response.reason or ""


def _message_of(answered: Any) -> str:
    try:
        return str(answered.get("message") or "")
    except AttributeError:
        return ""


def _asked_wait(response: ClientResponse, usual: float) -> float:
    asked = response.headers.get("Retry-After", "")
    return min(_LONGEST_WAIT, float(asked)) if asked.isdecimal() else usual
