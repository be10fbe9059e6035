"""The seam of wire formats: one chat form inside Holdfast, one dialect for each kind of endpoint.

The form inside is the JSON of OpenAI's chat completions: a request is a chat body, a whole answer
a `chat.completion`, a stream a sequence of `chat.completion.chunk`. On top of it, as OpenRouter and
Google's own compatible endpoint write them: `reasoning_content` and `reasoning_details` (thinking,
with its signatures), `cache_control` on a part, `extra_content` on a tool call, `is_error` on a
tool's message, `thinking` as Anthropic has it, and `prompt_tokens_details.cache_write_tokens`.
Dialects are pure and trust nothing that they read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from holdfast.frozen import NamedTuple, frozen
from holdfast.routing.dialects.framing import FrameReader
from holdfast.tracing.meaning import TokenUsage

Object = Mapping[str, object]
"""A JSON object that is read."""

Document = dict[str, object]
"""A JSON object that was made here."""


@frozen
class Stamp:
    """What an answer is given where its endpoint gives none: id, Unix seconds, model."""

    id: str
    created: int
    model: str


class Batch(NamedTuple):
    """Chat chunks that arrived together, and the events that they came as.

    `events` are empty where the chunks were made here, out of what another format says.
    """

    chunks: Sequence[Document]
    events: bytes = b""


class StreamReader(Protocol):
    """Turn the events of one stream into chat chunks."""

    @property
    def passes(self) -> bool:
        """Whether each chunk so far was the data of its event, as it came."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the answer is whole: it said why it ended, or its end mark came.

        A stream that closes before that was cut, whatever arrived.
        """
        ...

    @property
    def ended(self) -> bool:
        """Whether the last event came: nothing that follows belongs to the answer."""
        ...

    @property
    def reason(self) -> str:
        """Why the answer ended, as a first choice of a chunk says it; empty until then."""
        ...

    @property
    def usage(self) -> TokenUsage:
        """What the endpoint has counted so far."""
        ...

    def feed(self, event: str | None, data: bytes) -> Sequence[Document]:
        """Return the chunks that one event makes: often one, sometimes none or several.

        Raises:
            ErrorInAnswer: the event says that the call failed.
            MalformedAnswer: the event is nothing that the dialect knows.
        """
        ...


class Dialect(Protocol):
    """How one kind of endpoint is spoken to. One file a dialect."""

    @property
    def name(self) -> str: ...

    def path(self, model: str, *, stream: bool) -> str:
        """Return where requests go, relative to the base address and beginning with a slash."""
        ...

    def headers(self, key: str | None) -> Mapping[str, str]:
        """Return the headers that the endpoint wants, with the key if there is one."""
        ...

    def encode(self, body: Object) -> Document:
        """Return the JSON of a request. Fields that are not known pass where they can be taken.

        Raises:
            Untranslatable: the endpoint has no words for a field, or the field is malformed.
        """
        ...

    def decode(self, document: Object, stamp: Stamp) -> Document:
        """Return a whole answer as a chat completion.

        Raises:
            ErrorInAnswer: the answer says that the call failed.
            MalformedAnswer: it is no answer of this dialect.
        """
        ...

    def frames(self) -> FrameReader:
        """Return what takes the bytes of one stream apart into events."""
        ...

    def reader(self, stamp: Stamp) -> StreamReader:
        """Return what turns the events of one stream into chunks."""
        ...

    def usage(self, document: Object) -> TokenUsage:
        """Return what a whole answer says it used; no token is counted twice."""
        ...

    def error_text(self, status: int, body: bytes) -> str:
        """Return the sentence in the body of an error status, at most 300 characters."""
        ...
