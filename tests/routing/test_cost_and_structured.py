"""Money in whole msat, and JSON out of replies."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.routing.cost import cost_msat, format_msat, most_msat, total, total_usage
from holdfast.routing.dialects.framing import EventFrames
from holdfast.routing.seam import Price, Usage
from holdfast.routing.structured import extract_json, is_strict
from holdfast.routing.usage import read_usage
from tests.routing.kit import NUMBER_SCHEMA

COUNT = st.integers(0, 10**7)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PROSE = st.text(st.characters(exclude_characters='`{["', exclude_categories=["Cs"]), max_size=30)


def data_of(frames) -> list[str]:
    return [data.decode() for _, data in frames]


@given(COUNT, COUNT, COUNT, COUNT, st.integers(0, 5000))
def test_a_cost_is_the_exact_amount_rounded_up_to_the_msat(tokens_in, tokens_out, a, b, fee):
    price = Price(input_msat_per_million=a, output_msat_per_million=b, request_msat=fee)
    cost = cost_msat(price, Usage(input_tokens=tokens_in, output_tokens=tokens_out))
    exact = Fraction(tokens_in * a + tokens_out * b, 10**6) + fee
    assert cost is not None
    assert exact <= cost < exact + 1


@pytest.mark.parametrize(
    ("price", "usage"),
    [
        (None, Usage(input_tokens=1, output_tokens=1)),
        (Price(input_msat_per_million=1, output_msat_per_million=1), Usage()),
        (Price(input_msat_per_million=0, output_msat_per_million=0), Usage(input_tokens=1)),
    ],
)
@pytest.mark.promise("unknown-cost-is-unknown")
def test_a_cost_with_an_unknown_part_is_unknown_and_not_zero(price, usage):
    assert cost_msat(price, usage) is None


RATE = st.none() | COUNT


@given(
    st.tuples(COUNT, COUNT, COUNT),
    st.tuples(COUNT, COUNT),
    st.tuples(COUNT, COUNT),
    RATE,
    RATE,
    RATE,
)
def test_each_part_of_a_usage_is_charged_once_at_its_own_rate(
    tokens_in, tokens_out, rates, read, written, thought
):
    fresh, from_cache, to_cache = tokens_in
    said, reasoned = tokens_out
    price = Price(
        input_msat_per_million=rates[0],
        output_msat_per_million=rates[1],
        cache_read_msat_per_million=read,
        cache_write_msat_per_million=written,
        reasoning_msat_per_million=thought,
    )
    usage = Usage(
        input_tokens=sum(tokens_in),
        output_tokens=sum(tokens_out),
        cache_read_tokens=from_cache,
        cache_write_tokens=to_cache,
        reasoning_tokens=reasoned,
    )
    exact = Fraction(
        fresh * rates[0]
        + from_cache * (rates[0] if read is None else read)
        + to_cache * (rates[0] if written is None else written)
        + said * rates[1]
        + reasoned * (rates[1] if thought is None else thought),
        10**6,
    )
    cost = cost_msat(price, usage)
    assert cost is not None
    assert exact <= cost < exact + 1
    assert cost <= most_msat(price, sum(tokens_in), sum(tokens_out))


def test_tokens_beside_the_sums_of_a_report_are_added_to_them():
    anthropic = {"input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 7}
    assert read_usage(anthropic) == Usage(input_tokens=105, output_tokens=7, cache_read_tokens=100)
    openai = {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 10},
    }
    assert read_usage(openai) == Usage(
        input_tokens=100, output_tokens=30, cache_read_tokens=60, reasoning_tokens=10
    )
    assert read_usage({"prompt_tokens": -1, "completion_tokens": "x"}) == Usage()


def test_a_sum_of_usages_leaves_untold_what_one_does_not_tell():
    one = Usage(input_tokens=1, output_tokens=2, cache_read_tokens=1)
    assert total_usage([one, Usage(input_tokens=3)]) == Usage(input_tokens=4)


def test_a_sum_with_an_unknown_part_is_unknown():
    assert total([1, 2, 3]) == 6
    assert total([1, None, 3]) is None


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "unknown"),
        (0, "0 sat"),
        (1, "0.001 sat"),
        (1234, "1.234 sat"),
        (1500, "1.5 sat"),
        (12_000, "12 sat"),
        (-1001, "-1.001 sat"),
    ],
)
def test_an_amount_is_written_in_sats(amount, text):
    assert format_msat(amount) == text


@given(JSON)
def test_bare_json_comes_back_as_it_is(value):
    assert json.loads(extract_json(f"\n {json.dumps(value)} \n")) == value


@given(JSON, PROSE, PROSE, st.sampled_from(["json", "JSON", ""]), st.sampled_from([None, 2]))
def test_json_is_found_in_a_fence_with_prose_around_it(value, before, after, tag, indent):
    fenced = f"```{tag}\n{json.dumps(value, indent=indent, ensure_ascii=False)}\n```"
    assert json.loads(extract_json(f"{before}\n{fenced}\n{after}")) == value


@given(st.text())
def test_looking_for_json_never_fails(text):
    extract_json(text)


def test_backticks_inside_a_string_do_not_end_the_fence():
    assert json.loads(extract_json('```json\n{"code": "```x```"}\n```')) == {"code": "```x```"}
    assert json.loads(extract_json('```json {"a": 1}```')) == {"a": 1}


def test_only_closed_schemas_with_all_properties_required_are_strict():
    assert is_strict(NUMBER_SCHEMA)
    assert not is_strict({**NUMBER_SCHEMA, "required": []})
    assert not is_strict({"type": "array", "items": {"type": "object"}})


EVENTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])).map(json.dumps), max_size=5)


@given(EVENTS, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
def test_events_survive_any_line_end_and_any_split(events, newline, data):
    lines = [b": a comment", b"event: message", b"id: 3", b"retry: 10"]
    stream = b"".join(
        newline.join([*lines, f"data: {event}".encode(), b"", b""]) for event in events
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader, found = EventFrames(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += data_of(reader.feed(stream[start:end]))
    assert [*found, *data_of(reader.finish())] == events


def test_a_line_end_of_two_bytes_may_arrive_in_two_pieces():
    reader = EventFrames()
    pieces = [bytes([byte]) for byte in b"data: a\r\ndata: b\r\n\r\n"]
    assert [event for piece in [*pieces, b":"] for event in data_of(reader.feed(piece))] == ["a\nb"]


def test_an_event_may_have_several_lines_and_lack_its_last_empty_one():
    reader = EventFrames()
    assert data_of(reader.feed(b"data: a\ndata:b\n\ndata: last")) == ["a\nb"]
    assert data_of(reader.finish()) == ["last"]
