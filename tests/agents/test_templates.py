"""Templates: what is a reference, what is text, and that values stay values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.agents.templates import (
    Reference,
    parse_argument,
    parse_template,
    references_of,
    render,
    render_argument,
    resolve,
)
from holdfast.errors import InputError

SCOPE = {
    "inputs": {"who": "Ada"},
    "state": {"x": "{inputs.who}", "n": 3, "no": None, "list": [{"a": "é"}, "z"], "yes": True},
    "run": {"id": "r1"},
    "item": "plain",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello {inputs.who}!", "Hello Ada!"),
        ("{state.n}{state.no}{state.yes}", "3nulltrue"),
        ("{state.list}", '[{"a":"é"},"z"]'),
        ("{state.list[0].a} {state.list[-1]}", "é z"),
        ("{item} in {run.id}", "plain in r1"),
        ('{"a": {state.n}}', '{"a": 3}'),
        ('{"a":{"b":{state.n}}}', '{"a":{"b":3}}'),
        ("{{state.n}}", "{state.n}"),
        ("{{{state.n}}}", "{{state.n}}"),
        ("{{state.n}", "{3"),
        ("{ state.n } {} {1} {a b} {a-b} {\n}", "{ state.n } {} {1} {a b} {a-b} {\n}"),
        ("", ""),
    ],
)
def test_references_are_filled_in_and_all_else_is_text(text: str, expected: str) -> None:
    assert render(parse_template(text), SCOPE) == expected


def test_a_value_that_looks_like_a_reference_is_never_expanded() -> None:
    assert render(parse_template("{state.x}"), SCOPE) == "{inputs.who}"


@given(st.text(alphabet="{}ax.[0] ", max_size=30))
def test_a_value_comes_out_as_it_went_in(value: str) -> None:
    scope = {"a": value, "x": {"a": value, "x": "!"}}
    assert render(parse_template("<{a}|{x.a}>"), scope) == f"<{value}|{value}>"


@given(st.text(alphabet="{}ax.[0] \n", max_size=40))
def test_every_text_is_a_template_that_renders_or_names_the_missing(text: str) -> None:
    template = parse_template(text)
    message = ""
    try:
        rendered = render(template, {"a": "A", "x": {"x": "X"}})
        assert template.references or len(rendered) <= len(text)
    except InputError as error:
        message = error.message
    assert not message or any(str(each) in message for each in template.references)


@given(st.text(alphabet="{ax}", max_size=30))
def test_one_more_pair_of_braces_makes_any_reference_text(text: str) -> None:
    template = parse_template(text)
    doubled = "".join(f"{{{{{p}}}}}" if isinstance(p, Reference) else p for p in template.parts)
    if template.whole:
        assert render(parse_template(doubled), {}) == f"{{{template.whole}}}"


def test_a_megabyte_of_braces_is_read_at_once() -> None:
    assert parse_template("{" * 1_000_000).references == ()
    assert parse_template("{a" * 500_000).references == ()


def test_an_argument_that_is_one_reference_keeps_its_type() -> None:
    argument = parse_argument({"n": "{state.n}", "text": "n={state.n}", "all": ["{state.list}", 1]})
    assert render_argument(argument, SCOPE) == {
        "n": 3,
        "text": "n=3",
        "all": [[{"a": "é"}, "z"], 1],
    }
    assert [str(each) for each in references_of(argument)] == ["state.n", "state.n", "state.list"]


def test_an_argument_without_references_is_itself() -> None:
    assert parse_argument("{{state.x}}") == "{state.x}"
    assert parse_argument([None, True, 1.5]) == (None, True, 1.5)


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        (Reference("stat", ("x",)), "stat.x: there is no 'stat' here", "did you mean 'state'?"),
        (Reference("inputs", ("wo",)), "inputs.wo: inputs has no 'wo'", "did you mean 'who'?"),
        (Reference("state", ("list", 5)), "state.list[5]: state.list has 2 items", ""),
        (Reference("state", ("no", "a")), "state.no.a: state.no is null and has no members", ""),
        (Reference("state", ("n", 0)), "state.n[0]: state.n is int and has no items", ""),
    ],
)
def test_a_reference_that_leads_nowhere_says_where_it_ends(
    reference: Reference, message: str, hint: str
) -> None:
    with pytest.raises(InputError) as caught:
        resolve(reference, SCOPE)
    assert (caught.value.message, caught.value.hint) == (message, hint)
