"""`holdfast trace show`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from holdfast.cli.output import Output
from holdfast.cli.trace.desk import find_trace, traces_of
from holdfast.cli.trace.parts import add_trace_id
from holdfast.cli.trace.printing import SHORT, began, digest_data, took
from holdfast.errors import UsageError
from holdfast.tracing.exports.plain import plain_value, span_data
from holdfast.tracing.payload import FetchPart
from holdfast.tracing.span import Attributes, Span
from holdfast.tracing.store.seam import TraceStore

_WHOLE = 10**6
_FEWEST = 10
_LISTED = 9


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    del verb
    add_trace_id(parser)
    parser.add_argument(
        "--text", action="store_true", help="any trace in at most 40 lines, for people and agents"
    )
    parser.add_argument(
        "--lines",
        type=int,
        default=None,
        metavar="N",
        help="at most so many lines, 10 or more (all of them)",
    )
    parser.add_argument("--span", metavar="SPAN", help="all that this span says, payloads too")
    parser.add_argument(
        "--what-if", metavar="NAME", help="what the run would gain if these spans were 20 %% faster"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the trace, or one span of it."""
    if arguments.lines is not None and arguments.lines < _FEWEST:
        raise UsageError(f"--lines must be at least {_FEWEST}, not {arguments.lines}")
    with traces_of(arguments, output) as traces:
        trace_id = find_trace(traces, arguments.id)
        spans = traces.spans(trace_id)
        if arguments.span is not None:
            _show_span(_find_span(spans, arguments.span, output), output, traces.part)
        elif arguments.what_if is not None:
            _show_saving(spans, arguments.what_if, output)
        else:
            _show_trace(traces, trace_id, spans, arguments, output)
    return 0


def _show_trace(
    traces: TraceStore,
    trace_id: str,
    spans: Sequence[Span],
    arguments: argparse.Namespace,
    output: Output,
) -> None:
    from holdfast.tracing.analysis.verdict import verdict_of  # noqa: PLC0415 - only here
    from holdfast.tracing.waterfall import text_of  # noqa: PLC0415 - as above

    digest = traces.digest(trace_id)
    assert digest is not None
    if output.as_json:
        verdict = verdict_of(spans)
        output.data(
            {
                **digest_data(digest),
                "verdict": {
                    "outcome": verdict.outcome,
                    "line": verdict.line.text,
                    "span_ids": list(verdict.line.span_ids),
                    "support": [
                        {"text": each.text, "span_ids": list(each.span_ids)}
                        for each in verdict.support
                    ],
                },
                "spans": [span_data(each) for each in spans],
            }
        )
        return
    lines = arguments.lines or (40 if arguments.text else _WHOLE)
    width = 100 if arguments.text else output.width()
    for line in text_of(spans, lines=lines, width=width, digest=digest).splitlines():
        output.line(line)


def _show_saving(spans: Sequence[Span], name: str, output: Output) -> None:
    from holdfast.tracing.analysis.replay import what_if  # noqa: PLC0415 - only here
    from holdfast.tracing.analysis.tree import tree_of  # noqa: PLC0415 - as above

    if not any(span.name == name for span in spans):
        raise UsageError(
            f"no span of this trace is called {name!r}", hint="give the name of a span"
        )
    saving = what_if(tree_of(spans), name)
    saved = saving.before_ns - saving.after_ns
    output.data({"name": name, "saved_ms": saved / 1e6, "share": saving.share})
    output.line(f"20 % faster {name} saves {saving.share:.1%} of the run ({took(saved)})")


def _find_span(spans: Sequence[Span], text: str, output: Output) -> Span:
    found = [span for span in spans if span.name == text]
    if not found and text:
        found = [span for span in spans if span.span_id.startswith(text.lower())]
    if not found:
        raise UsageError(f"the trace has no span {text!r}", hint="give its id or its name")
    if len(found) > 1:
        listed = ", ".join(f"{each.span_id[:SHORT]} ({each.kind})" for each in found[1:_LISTED])
        more = ", ..." if len(found) > _LISTED else ""
        output.note(
            f"the first of {len(found)} spans {text!r}; --span ID for others: {listed}{more}"
        )
    return found[0]


def _show_span(span: Span, output: Output, fetch: FetchPart) -> None:
    if output.as_json:
        output.data({**span_data(span), "attributes": _whole(span.attributes, fetch)})
        return
    status = f"{span.status}  {span.error}" if span.error else span.status
    output.line(f"{span.name}  {span.kind}  {span.span_id}")
    output.line(f"  began   {began(span.start_ns)}")
    output.line(f"  took    {took(span.duration_ns)}")
    output.line(f"  status  {status}")
    _print_attributes(_whole(span.attributes, fetch), output, "  ")
    for event in span.events:
        output.line(f"  event {event.name} after {took(event.at_ns - span.start_ns)}")
        _print_attributes(_whole(event.attributes, fetch), output, "    ")
    for link in span.links:
        output.line(f"  linked to {link.trace_id} {link.span_id}")


def _print_attributes(attributes: dict[str, object], output: Output, indent: str) -> None:
    for name, value in attributes.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        first, *rest = text.splitlines() or [""]
        output.line(f"{indent}{name} = {first}")
        for line in rest:
            output.line(f"{indent}    {line}")


def _whole(attributes: Attributes, fetch: FetchPart) -> dict[str, object]:
    """Return attributes with the payloads that they refer to."""
    from holdfast.tracing.payloads.reading import resolve  # noqa: PLC0415 - only here

    return {name: plain_value(resolve(value, fetch)) for name, value in attributes.items()}
