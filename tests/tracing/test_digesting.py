"""A digest is made of every trace, whatever its spans hold."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from holdfast.frozen import replace
from holdfast.tracing.billing.money import Exchange
from holdfast.tracing.digesting import digest_of
from holdfast.tracing.span import Event, Span, SpanLink, Value
from tests.tracing.analysis.making import MS, TRACE, raised, span, wild

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
_KEYS = (
    "gen_ai.operation.name", "gen_ai.usage.input_tokens", "gen_ai.response.finish_reasons",
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.name", "gen_ai.request.model",
    "openinference.span.kind", "llm.token_count.prompt", "input.value", "output.value",
    "exception.type", "exception.message", "exception.stacktrace", "exception.chain",
    "exception.frames", "exception.origin", "http.status_code", "error.type", "attempts",
    "input", "output", "finish_reason", "cost_msat", "input_tokens", "model", "label.x", "$payload",
)  # fmt: skip
_attributes = st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=8), _values, max_size=6)


@st.composite
def _hostile(draw: st.DrawFn) -> list[Span]:
    ids = st.sampled_from("abcdef")
    return draw(
        st.lists(
            st.builds(
                Span,
                trace_id=st.just(TRACE), span_id=ids, parent_id=st.none() | ids,
                name=st.text(max_size=9), kind=st.text(max_size=5) | st.just("model"),
                start_ns=st.integers(-(2**63), 2**63), duration_ns=st.integers(-(2**63), 2**63),
                status=st.sampled_from(("ok", "error", "cancelled", "open", "lost", "unset")),
                error=st.text(max_size=30), attributes=_attributes,
                events=st.lists(
                    st.builds(Event, at_ns=st.integers(), name=st.just("exception"), attributes=_attributes),
                    max_size=2,
                ),
                links=st.just((SpanLink(trace_id="x", span_id="y"),)),
            ),
            min_size=1, max_size=8,
        )
    )  # fmt: skip


@given(_hostile())
def test_a_digest_is_made_of_any_spans(spans: list[Span]) -> None:
    digest = digest_of(spans)
    assert digest.trace_id == TRACE
    assert digest.spans == len({each.span_id for each in spans})
    assert digest.duration_ns >= 0
    assert "unread" not in digest.labels


@given(wild())
def test_every_failed_span_is_counted_and_sighted(spans: list[Span]) -> None:
    digest = digest_of(spans)
    sighted = {each.span_id for each in digest.sightings}
    finished = {each.span_id: each for each in spans if each.status not in {"open", "lost"}}
    failed = {id_ for id_, each in finished.items() if each.status == "error"}
    assert failed <= sighted
    assert digest.errors >= len(failed)
    assert all(len(each.fingerprint) == 17 for each in digest.sightings if each.kind != "")


def test_the_digest_says_what_a_list_shows() -> None:
    run = span(
        "run", None, 5, 100, kind="run", name="answer", status="error", error="OSError: x",
        **{"label.scenario": "voice"},
    )  # fmt: skip
    call = span("c", "run", 10, 90, status="error", events=raised("OSError", "no\nspace"))
    digest = digest_of([call, run])
    assert (digest.name, digest.status, digest.spans, digest.errors) == ("answer", "error", 2, 2)
    assert (digest.start_ns, digest.duration_ns) == (5 * MS, 95 * MS)
    assert digest.error == "OSError: no"
    assert digest.labels == {"scenario": "voice"}
    assert [(each.span_id, each.origin) for each in digest.sightings] == [
        ("run", False),
        ("c", True),
    ]


def test_a_failure_below_a_run_that_went_on_does_not_make_it_fail() -> None:
    digest = digest_of(
        [
            span("run", None, 0, 9, kind="run"),
            span("c", "run", 1, 2, status="error", error="OSError: x"),
        ]
    )
    assert (digest.status, digest.errors, digest.error) == ("ok", 1, "")
    assert digest.sightings[0].swallowed


def test_what_is_wrong_without_a_failure_is_sighted_too() -> None:
    tries = [span(f"t{n}", "run", n, n + 1, name="get", attempts=5) for n in range(1)]
    digest = digest_of([span("run", None, 0, 9, kind="run"), *tries])
    assert [(each.error_class, each.kind) for each in digest.sightings] == [("retry_storm", "")]
    assert digest.sightings[0].fingerprint


def test_the_last_life_of_a_run_says_how_it_ended() -> None:
    died = span("r1", None, 0, 9, name="answer", kind="run", status="lost")
    ended = span("r2", None, 20, 30, name="answer", kind="run")
    assert digest_of([died, ended]).status == "ok"
    assert digest_of([died]).status == "lost"


def test_what_models_used_is_summed_and_an_unknown_cost_is_unknown() -> None:
    def call(id_: str, **more: Value) -> Span:
        return span(id_, "run", 1, 2, kind="model", provider="p", model="m", input_tokens=10, output_tokens=2, **more)  # fmt: skip

    run = span("run", None, 0, 9, kind="run")
    digest = digest_of([run, call("a", cost_msat=5), call("b", cost_msat=6)])
    assert (digest.cost_msat, digest.cost_known) == (11, True)
    assert (digest.usage.total_input, digest.usage.total_output) == (20, 4)
    digest = digest_of([run, call("a", cost_msat=5), call("b")])
    assert (digest.cost_msat, digest.cost_known, len(digest.calls)) == (5, False, 2)


def test_a_trace_that_cannot_be_read_is_listed_all_the_same() -> None:
    exchange = Exchange("USD", {date(2020, 1, 1): Decimal(50_000)})
    call = span("a", None, 0, 1, kind="model", provider="p", model="m", cost_msat=5)
    digest = digest_of([replace(call, start_ns=2**80)], exchange=exchange)
    assert (digest.name, digest.spans, digest.cost_known) == ("a", 1, False)
    assert digest.labels["unread"].startswith("ValueError: year ")


def test_a_part_of_a_trace_has_a_digest() -> None:
    only_open = digest_of([span("a", "gone", 0, 9, status="open")])
    assert (only_open.status, only_open.spans) == ("open", 1)
    values: dict[str, Value] = {}
    assert digest_of([span("a", None, 0, 0, status="unset", **values)]).status == "ok"
