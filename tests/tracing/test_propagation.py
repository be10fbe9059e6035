"""A place in a trace goes through headers and through `_meta`, and what breaks the rules does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.tracing.current import Link
from holdfast.tracing.propagation import (
    Carried,
    extract,
    extract_lower,
    from_meta,
    inject,
    into_meta,
    read_baggage,
    read_tracestate,
)

BAGGAGE_BYTES, STATE_CHARACTERS = 8192, 512

LINK = Link("a" * 32, "b" * 16)
PARENT = f"00-{'a' * 32}-{'b' * 16}-01"
keys = st.from_regex(r"[a-z][a-z0-9_*/\-]{0,20}", fullmatch=True)
values = st.from_regex(r"[!-+\--<>-~]{1,30}", fullmatch=True)
states = st.dictionaries(keys, values, max_size=40)
tokens = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,10}", fullmatch=True)
texts = st.from_regex(r"[A-Za-z0-9%+.-]{0,400}", fullmatch=True)
members = st.lists(st.tuples(tokens, texts), max_size=40)


@given(states)
@example({f"k{number}": "v" * 98 for number in range(10)})
@example({f"k{number}": "v" * 49 for number in range(9)})
def test_a_state_of_at_most_32_members_is_passed_on_as_far_as_512_characters(
    state: dict[str, str],
) -> None:
    line = ",".join(f"{key}={value}" for key, value in state.items())
    passed = read_tracestate(line)
    assert len(passed) <= STATE_CHARACTERS
    assert read_tracestate(passed) == passed
    if len(state) > 32:
        assert passed == ""
    elif len(line) <= STATE_CHARACTERS:
        assert passed == line
    else:
        assert line.startswith(passed)


@given(members)
@example([(f"k{number}", "v" * 400) for number in range(40)])
def test_baggage_is_passed_on_in_its_order_as_far_as_8192_bytes(
    given_members: list[tuple[str, str]],
) -> None:
    line = ",".join(f"{key}={value}" for key, value in given_members)
    passed = read_baggage(line)
    assert len(passed.encode()) <= BAGGAGE_BYTES
    assert line.startswith(passed)
    assert passed == line or len(line) > BAGGAGE_BYTES


@given(st.dictionaries(st.text() | st.sampled_from(["traceparent", "baggage"]), st.text()))
def test_whatever_headers_say_nothing_raises_and_only_valid_lines_go_on(
    headers: dict[str, Any],
) -> None:
    out: dict[str, str] = {}
    inject(out, extract(headers))
    assert extract(out) == extract(headers)
    assert out.keys() <= {"traceparent", "tracestate", "baggage"}


@pytest.mark.parametrize(
    ("line", "passed"),
    [
        ("a=1, b=2 ,,c=3", "a=1,b=2,c=3"),
        ("1@v=x", "1@v=x"),
        ("a=1,a=2", ""),
        ("A=1", ""),
        ("a", ""),
        ("a=", ""),
        ("a=b=c", ""),
        ("a=\n", ""),
        (f"{'k' * 257}=1", ""),
        (f"a={'x' * 256}", f"a={'x' * 256}"),
        (f"a={'x' * 257}", ""),
        (f"long={'x' * 200},{','.join(f'k{n}=' + 'y' * 20 for n in range(15))}",
         ",".join(f"k{n}=" + "y" * 20 for n in range(15))),
    ],
)  # fmt: skip
def test_a_state_is_whole_or_nothing(line: str, passed: str) -> None:
    assert read_tracestate(line) == passed


@pytest.mark.parametrize(
    ("line", "passed"),
    [
        ("a=1;p;q=2, b = 3", "a=1;p;q=2,b = 3"),
        ("bad member,a=1", "a=1"),
        ('a="1",b=2', "b=2"),
        ("a=é,b=%C3%A9", "b=%C3%A9"),
        ("a=1\r\nx: y", ""),
    ],
)
def test_members_of_baggage_that_are_none_are_left_out(line: str, passed: str) -> None:
    assert read_baggage(line) == passed


def test_headers_are_known_by_any_case_and_replaced() -> None:
    headers: dict[str, str] = {
        "TraceParent": PARENT,
        "TRACESTATE": "k=v",
        "Baggage": "u=1",
        "x": "y",
    }
    carried = extract(headers)
    assert carried == Carried(link=LINK, state="k=v", baggage="u=1")
    assert carried == extract_lower({name.lower(): line for name, line in headers.items()})
    inject(headers, Carried(link=Link("c" * 32, "d" * 16)))
    assert headers == {"x": "y", "traceparent": f"00-{'c' * 32}-{'d' * 16}-01"}


def test_a_state_without_a_parent_means_nothing() -> None:
    assert extract({"tracestate": "k=v", "traceparent": "rubbish", "baggage": "u=1"}) == Carried(
        baggage="u=1"
    )
    assert extract({"tracestate": "k=v", "baggage": "u=1"}) == Carried(baggage="u=1")
    assert extract({"tracestate": "k=v"}) == Carried()


def test_meta_takes_a_context_along_and_keeps_the_rest() -> None:
    meta = {"progressToken": 7, "io.example/x": [1]}
    carried = Carried(link=LINK, state="k=v", baggage="u=1")
    sent = into_meta(meta, carried)
    assert sent == {**meta, "traceparent": PARENT, "tracestate": "k=v", "baggage": "u=1"}
    assert meta == {"progressToken": 7, "io.example/x": [1]}
    assert from_meta(sent) == carried
    assert from_meta(None) == from_meta({"traceparent": 5, "baggage": None}) == Carried()
    assert into_meta(None, Carried()) == {}


def test_the_limits_are_those_of_the_specifications() -> None:
    assert read_tracestate(",".join(f"k{number}=1" for number in range(32)))
    assert not read_tracestate(",".join(f"k{number}=1" for number in range(33)))
    pairs = [f"k{number:02}={'x' * 396}" for number in range(30)]
    assert read_baggage(",".join(pairs)) == ",".join(pairs[:20])
