"""Expressions: what they say, what they refuse, and what is known of them before."""

from __future__ import annotations

import contextlib
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.agents.expression_types import infer
from holdfast.agents.expressions import evaluate, parse_expression
from holdfast.agents.types import STR, Type, describe, parse_type
from holdfast.errors import InputError, WorkflowError

SCOPE = {
    "state": {"x": "no", "n": 3, "list": [1, {"a": 2}], "none": None, "ok": False, "big": 2**600},
    "inputs": {"level": "low"},
}
TYPES = {
    "state": Type(
        kind="object",
        fields={
            "x": STR,
            "n": parse_type("int"),
            "maybe": parse_type("int?"),
            "f": parse_type("float"),
            "list": parse_type("list[str]"),
            "ok": parse_type("bool"),
            "e": Type(kind="enum", values=("low", "high")),
        },
    ),
    "inputs": Type(kind="object", fields={"level": STR}),
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("state.x == 'no' and state.n < 5", True),
        ("0 < state.n <= 3 < 4", True),
        ("state.n != 3 or not state.ok", True),
        ("inputs.level in ['low', 'high']", True),
        ("'o' in state.x", True),
        ("'b' not in state.list[1]", True),
        ("len(state.list) * 2 - -1 + 0.5", 5.5),
        ("state.list[-1].a", 2),
        ("state.none == null and None == null", True),
        ("[true, True, false, null]", [True, True, False, None]),
        ("state.none or ['a']", ["a"]),
        ("state.ok and state.missing", False),
        ("state.x ==\n  'no'\nand state.n == 3  # why", True),
        ("'a' < 'b'", True),
        ("1 <= 1.0", True),
    ],
)
def test_an_expression_means_what_it_means_in_python(text: str, value: object) -> None:
    assert evaluate(parse_expression(text), SCOPE) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("state.none < 3", "int and null cannot be compared with '<'"),
        ("state.x < 3", "int and str cannot be compared with '<'"),
        ("state.ok < 3", "bool and int cannot be compared with '<'"),
        ("state.x + 'a'", "'+' needs numbers, not str"),
        ("state.x * 999999999", "'*' needs numbers, not str"),
        ("state.big * state.big", "a number is too large to calculate with"),
        ("len(state.n)", "int has no len()"),
        ("3 in state.x", "'in' looks for text in str, not for int"),
        ("3 in state.n", "'in' needs a list, text or members, not int"),
        ("state.gone == 1", "state.gone has not been written yet"),
    ],
)
def test_values_that_cannot_be_worked_with_say_so(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        evaluate(parse_expression(text), SCOPE)
    assert caught.value.message == f"{message} (in {text!r})"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", ""),
        ("state.x = 1", "equality is '=='"),
        ("state.x && state.y", "write 'and'"),
        ("a || b", "write 'or'"),
        ("{state.x} == 1", "names stand without braces here: state.x"),
        ("state.x is None", "write '==' and '!=' instead of 'is' and 'is not'"),
        ("2 ** 99", "the operators are + - *"),
        ("__import__('os').system('x')", "len() is the only function"),
        ("state.x.__class__()", "len() is the only function"),
        ("len(a, b)", "len() takes one value"),
        ("len(*a)", "len() takes one value"),
        ("(lambda: 1)", "allowed: "),
        ("[x for x in y]", "allowed: "),
        ("f'{state.x}'", "f-strings are not supported"),
        ("a if b else c", "use two edges with 'when'"),
        ("'a'.upper", "only names such as state.x"),
        ("state.x[a]", "only names such as state.x"),
        ("state.x[True]", "only names such as state.x"),
        ("state.x[0:1]", "only names such as state.x"),
        ("b'x'", "allowed: "),
        ("1e999", "the number is too large"),
        ("(a := 1)", "allowed: "),
        ("not " * 50 + "a", "split it"),
        ("-" * 1999 + "1", ""),
        ("(" * 1500, ""),
        ("x" * 2001, ""),
        ("'\0'", ""),
    ],
)
def test_what_is_not_on_the_list_is_refused(text: str, hint: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        parse_expression(text)
    assert caught.value.hint.startswith(hint)


WORDS = (
    "state.x a 1 's' ( ) [ ] [0] and or not == < in + * - len( . , lambda: ** if else { } # \\ ' is"
)
PIECES = st.sampled_from([*WORDS.split(), "\n"])


@given(st.text(max_size=40) | st.lists(PIECES, max_size=12).map(" ".join))
def test_any_text_is_an_expression_or_a_documented_error(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            expression = parse_expression(text)
        except WorkflowError:
            return
    with contextlib.suppress(WorkflowError):
        infer(expression, TYPES)
    with contextlib.suppress(InputError):
        evaluate(expression, SCOPE)


def test_python_has_no_say_about_the_style_of_an_expression() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate(parse_expression("state.x == '\\d' or 3in [3]"), SCOPE) is True


def test_the_references_of_an_expression_are_known() -> None:
    expression = parse_expression("len(state.a[0].b) < 3 < inputs.c or [state.d]")
    assert [str(each) for each in expression.references] == ["state.a[0].b", "inputs.c", "state.d"]


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("state.list", "list[str]"),
        ("state.list[0]", "str"),
        ("state.n + 1", "int"),
        ("state.n + state.f", "float"),
        ("len(state.list)", "int"),
        ("state.n < 3", "bool"),
        ("state.maybe < 3", "bool"),
        ("not state.x", "bool"),
        ("['a', 'b']", "list[str]"),
        ("[]", "list[any]"),
        ("state.x or 'none'", "str"),
        ("state.x or 3", "any"),
        ("state.e == 'low'", "bool"),
        ("state.e in ['low']", "bool"),
        ("state.unknown", "any"),
    ],
)
def test_the_type_of_an_expression_is_known_before_it_runs(text: str, declared: str) -> None:
    assert describe(infer(parse_expression(text), TYPES)) == declared


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("state.x < 3", "str and int cannot be compared with '<'"),
        ("state.e == 'mid'", "state.e is never 'mid'"),
        ("'mid' != state.e", "state.e is never 'mid'"),
        ("state.e in ['low', 'mid']", "state.e is never 'mid'"),
        ("state.n == '3'", "state.n is never '3'"),
        ("state.ok == 'yes'", "state.ok is never 'yes'"),
        ("state.x + 1", "'+' needs numbers, not str"),
        ("len(state.n)", "len() needs text, a list or members, not int"),
        ("'a' in state.n", "'in' needs a list, text or members, not int"),
        ("state.list < state.list", "list[str] and list[str] cannot be compared with '<'"),
    ],
)
def test_an_expression_that_can_never_work_is_found_before_it_runs(text: str, message: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        infer(parse_expression(text), TYPES)
    assert caught.value.message == message
