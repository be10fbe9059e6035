"""A trace made ready for analysis: its tree and what each span means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from holdfast.frozen import frozen
from holdfast.tracing.analysis.text import first_text, text_of_value
from holdfast.tracing.analysis.tree import Tree, tree_of
from holdfast.tracing.dialects import meaning_of
from holdfast.tracing.meaning import Meaning, Role
from holdfast.tracing.payload import MARK
from holdfast.tracing.span import Span, Value

FAILED = frozenset({"error", "lost"})
"""The ways to end that are failures by themselves; a cancelled span was made to end."""

_ARGUMENTS: Mapping[Role, Sequence[str]] = {
    "database": ("db.query.text", "db.statement"),
    "http": ("url.full", "http.url", "http.target", "url.path"),
    "message": ("messaging.destination.name", "messaging.message.id"),
}


@frozen
class Trace:
    """A tree, and the meaning of each of its spans by number."""

    tree: Tree
    meanings: Sequence[Meaning]

    def span(self, number: int) -> Span:
        """Return a span."""
        return self.tree.spans[number]

    def is_wait(self, number: int) -> bool:
        """Tell whether a span is time in a queue or until a person answers."""
        return self.meanings[number].role == "wait" or self.span(number).kind == "human"

    def failed(self, number: int) -> bool:
        """Tell whether a span failed."""
        return self.tree.spans[number].status in FAILED


def lives_of(trace: Trace) -> Sequence[Sequence[int]]:
    """Return the roots that are lives of one run, the first first: it was taken up each time.

    A run that waits is unloaded and goes on later, one whose process died is taken over: each time
    it has another root of the same kind and name.
    """
    lives: dict[tuple[str, str], list[int]] = {}
    for root in trace.tree.roots:
        span = trace.span(root)
        key = (span.kind, span.name) if span.kind == "run" else ("", span.span_id)
        lives.setdefault(key, []).append(root)
    return list(lives.values())


RELEASED = "release"
"""What a run says that did not end because its process was told to."""


def is_unloaded(span: Span) -> bool:
    """Tell whether a run was only put away: it goes on when what it waits for is there, or resumed."""
    return span.kind == "run" and bool(span.attributes.get("stopped"))


def read_trace(spans: Sequence[Span]) -> Trace:
    """Return the spans of one trace, in any order, ready for analysis."""
    tree = tree_of(spans)
    return Trace(tree=tree, meanings=[meaning_of(span) for span in tree.spans])


def call_name(trace: Trace, number: int) -> str:
    """Return what was called: the name of the tool, or of the span."""
    return trace.meanings[number].tool or trace.span(number).name


def arguments_hash(trace: Trace, number: int) -> str:
    """Return a hash of what went into a span, empty if that was not told."""
    meaning = trace.meanings[number]
    if meaning.input not in (None, ""):
        return _hash(meaning.input)
    told = first_text(trace.span(number).attributes, _ARGUMENTS.get(meaning.role, ()))
    return _hash(told) if told else ""


def output_hash(trace: Trace, number: int) -> str:
    """Return a hash of what came out of a span, empty if that was not told."""
    output = trace.meanings[number].output
    return "" if output is None else _hash(output)


def _hash(value: Value) -> str:
    """Return a hash; of a long value that of its parts, which are named by their content."""
    if isinstance(value, Mapping) and MARK in value:
        text = f"{value.get('chain', '')} {text_of_value(value.get('parts'))}"
    else:
        text = text_of_value(value)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
