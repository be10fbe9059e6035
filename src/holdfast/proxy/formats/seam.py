"""The seam of the proxy's faces: a foreign request in, its answer or its stream out. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from holdfast.routing.dialects.seam import Batch, Document, Object


class StreamWriter(Protocol):
    """Turn chat chunks into the bytes of a stream of events."""

    def feed(self, chunk: Object) -> bytes:
        """Return the events that one chunk makes, which may be none.

        Raises:
            MalformedAnswer: the chunks contradict one another.
        """
        ...

    def pass_on(self, batch: Batch) -> bytes:
        """Return the events that chunks came as, to be sent instead of what `feed` makes of them.

        Nothing if they must be made anew.
        """
        ...

    def finish(self, report: Object | None = None) -> bytes:
        """Return the events that end a whole answer; the last has a report on it as `holdfast`."""
        ...

    def fail(self, status: int, message: str) -> bytes:
        """Return the events that end an answer which failed; `finish` is not called then."""
        ...


class Asked(Protocol):
    """One foreign request that was understood."""

    @property
    def body(self) -> Document:
        """The chat request that it comes to."""
        ...

    def answer(self, completion: Object) -> Document:
        """Return the answer that a chat completion comes to.

        Raises:
            MalformedAnswer: the completion holds what the format cannot say.
        """
        ...

    def writer(self) -> StreamWriter:
        """Return what writes the stream of the answer."""
        ...


class Face(Protocol):
    """One foreign format."""

    @property
    def id_header(self) -> str:
        """The header in which official clients look for the id of a request."""
        ...

    def read(self, document: Object) -> Asked:
        """Understand a request.

        Raises:
            Untranslatable: it is malformed, or wants what cannot be kept; `hint` says what to change.
        """
        ...

    def error(self, status: int, message: str, field: str | None = None) -> Document:
        """Return the body of an error with this HTTP status; `field` is what it is about."""
        ...


def written(writer: StreamWriter, batch: Batch) -> bytes:
    """Return the events that a batch makes for a client, as cheaply as can be."""
    return writer.pass_on(batch) or b"".join([writer.feed(chunk) for chunk in batch.chunks])


def event(name: str, data: Mapping[str, object]) -> bytes:
    """Return one server-sent event with a name."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
