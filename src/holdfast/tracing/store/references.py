"""Find the parts of payloads that spans refer to. Pure but for fetching turns of conversations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

from holdfast.storage.files.zstandard import decompress
from holdfast.tracing.payload import Chain, FetchPart, Reference
from holdfast.tracing.span import Span, Value

_PLAIN = frozenset({str, int, float, bool, type(None), bytes})
"""What holds no reference, and nearly all values are."""


def references_in(spans: Iterable[Span]) -> Iterator[Reference]:
    """Yield all references in attributes of spans and of their events."""
    for span in spans:
        for value in span.attributes.values():
            if type(value) not in _PLAIN:
                yield from _within(value)
        for event in span.events:
            for value in event.attributes.values():
                if type(value) not in _PLAIN:
                    yield from _within(value)


def parts_of(
    references: Iterable[Reference], fetch: FetchPart, is_known: Callable[[bytes], bool]
) -> set[bytes]:
    """Return the hashes of all parts that references need, also those of earlier turns.

    `is_known` says of a turn whether all before it were found already.
    """
    found: set[bytes] = set()
    for reference in references:
        found.update(map(bytes.fromhex, reference.parts))
        turn = reference.chain
        while turn and (hash_ := bytes.fromhex(turn)) not in found and not is_known(hash_):
            found.add(hash_)
            data = fetch(hash_)
            chain = None if data is None else Chain.load(decompress(data))
            if chain is None:
                break
            found.update(map(bytes.fromhex, chain.parts))
            turn = chain.before
    return found


def _within(value: Value) -> Iterator[Reference]:
    stack: list[object] = [value]
    while stack:
        held = stack.pop()
        reference = Reference.of(held)
        if reference is not None:
            yield reference
        elif isinstance(held, Mapping):
            stack += cast("Mapping[str, object]", held).values()
        elif isinstance(held, Sequence) and not isinstance(held, str | bytes):
            stack += cast("Sequence[object]", held)
