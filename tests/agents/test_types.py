"""Types: reading them, checking values, fitting one into another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.agents.types import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    STR,
    Type,
    assignable,
    coerce_text,
    describe,
    json_schema,
    member,
    parse_type,
    problems,
)
from holdfast.errors import InputError, WorkflowError

FILE = Type(kind="object", fields={"path": STR, "size": Type(kind="int", optional=True)})
LEVEL = Type(kind="enum", values=("low", "high"))


@pytest.mark.parametrize(
    "text",
    ["str", "int", "list[str]", "dict[int]", "list[list[any]]", "object", "str?", "list[int?]?"],
)
def test_a_type_is_described_as_it_is_written(text: str) -> None:
    assert describe(parse_type(text)) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("string", "did you mean 'str'?"),
        ("Integer", "did you mean 'int'?"),
        ("lst", "did you mean 'list'?"),
        ("dict[str, int]", "write 'dict[int]'"),
        ("str[int]", "only list[…] and dict[…]"),
        ("list[enum]", "write 'items: {type: enum, values: […]}'"),
        ("str??", ""),
        ("list[" * 60, ""),
    ],
)
def test_a_wrong_type_says_what_may_be_meant(text: str, hint: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        parse_type(text)
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        (STR, 1, "x must be str, not int"),
        (INT, True, "x must be int, not bool"),
        (INT, 1.0, "x must be int, not float"),
        (FLOAT, float("nan"), "x must be a finite number, not nan"),
        (FLOAT, True, "x must be a finite number, not bool"),
        (STR, None, "x must be str, not null"),
        (LEVEL, "mid", "x must be one of 'low', 'high', not 'mid'"),
        (Type(kind="enum", values=(1, 2)), True, "x must be one of 1, 2, not True"),
        (FILE, {"path": "a", "colour": 1}, "x has an unknown member 'colour'"),
        (FILE, {}, "x needs member 'path'"),
        (
            Type(kind="list", item=FILE),
            [{"path": "a"}, {"path": 2}],
            "x[1].path must be str, not int",
        ),
        (parse_type("dict[int]"), {"a": "b"}, "x.a must be int, not str"),
        (parse_type("dict"), {1: "b"}, "x must have text for its keys, not int"),
        (parse_type("list[str]"), "abc", "x must be list, not str"),
    ],
)
def test_a_value_that_does_not_fit_is_told_where_and_why(
    declared: Type, value: object, expected: str
) -> None:
    assert problems(declared, value, "x") == [expected]


@pytest.mark.parametrize(
    ("declared", "value"),
    [(FLOAT, 1), (ANY, None), (parse_type("str?"), None), (FILE, {"path": "a", "size": None})],
)
def test_a_value_that_fits_has_no_problems(declared: Type, value: object) -> None:
    assert problems(declared, value) == []


def test_a_place_at_the_root_needs_no_name() -> None:
    assert problems(Type(kind="list", item=STR), [1]) == ["[0] must be str, not int"]


def test_a_million_wrong_items_are_not_all_told() -> None:
    assert len(problems(parse_type("list[str]"), [1] * 1_000_000)) == 20


@pytest.mark.parametrize(
    ("declared", "text", "value"),
    [
        (STR, "3", "3"),
        (parse_type("str?"), "null", "null"),
        (parse_type("int?"), "null", None),
        (INT, " -3 ", -3),
        (FLOAT, "1e3", 1000.0),
        (BOOL, "Yes", True),
        (BOOL, "false", False),
        (LEVEL, "low", "low"),
        (Type(kind="enum", values=(1, 2)), "2", 2),
        (parse_type("list[int]"), "[1, 2]", [1, 2]),
        (ANY, "5", 5),
        (ANY, "five", "five"),
    ],
)
def test_text_becomes_a_value_of_the_type(declared: Type, text: str, value: object) -> None:
    assert coerce_text(declared, text) == value


@pytest.mark.parametrize(
    ("declared", "text", "message"),
    [
        (INT, "1_000", "must be a whole number, not '1_000'"),
        (INT, "٣", "must be a whole number, not '٣'"),
        (INT, "9" * 5000, "must be a whole number"),
        (FLOAT, "inf", "must be a number, not 'inf'"),
        (FLOAT, "1e999", "must be a finite number, not inf"),
        (BOOL, "maybe", "must be true or false, not 'maybe'"),
        (LEVEL, "mid", "must be one of 'low', 'high', not 'mid'"),
        (parse_type("list[str]"), "a, b", 'must be list[str] as JSON, such as ["a", "b"]'),
        (parse_type("list[str]"), "[1]", "[0] must be str, not int"),
        (parse_type("list"), "[" * 100_000, "must be list as JSON"),
    ],
)
def test_text_that_cannot_become_a_value_says_why(declared: Type, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        coerce_text(declared, text)
    assert caught.value.message.startswith(message)


def test_members_are_found_by_name_and_by_number() -> None:
    assert member(FILE, "path") == STR
    assert member(FILE, "colour") is None
    assert member(parse_type("list[int]"), 0) == INT
    assert member(parse_type("list[int]"), "x") is None
    assert member(parse_type("object"), "x") == ANY
    assert member(STR, "x") is None


def test_the_json_schema_is_what_strict_structured_output_asks_for() -> None:
    declared = Type(
        kind="object", fields={**FILE.fields, "level": Type(kind="enum", values=("a",))}
    )
    assert json_schema(declared) == {
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "size": {"type": ["integer", "null"]},
            "level": {"enum": ["a"]},
        },
        "required": ["path", "size", "level"],
        "additionalProperties": False,
    }


def closed_types() -> st.SearchStrategy[Type]:
    """Types in which nothing is unknown."""
    optional = st.booleans()
    scalars = st.builds(
        Type, kind=st.sampled_from(["str", "int", "float", "bool"]), optional=optional
    ) | st.builds(
        Type,
        kind=st.just("enum"),
        values=st.lists(st.sampled_from(["a", "b", 0, 1]), min_size=1, unique=True).map(tuple),
        optional=optional,
    )
    names = st.sampled_from(["p", "q"])
    return st.recursive(
        scalars,
        lambda inner: (
            st.builds(Type, kind=st.sampled_from(["list", "dict"]), item=inner, optional=optional)
            | st.builds(
                Type,
                kind=st.just("object"),
                fields=st.dictionaries(names, inner, min_size=1),
                optional=optional,
            )
        ),
        max_leaves=4,
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 1, 2.5, "a", "b", "c"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["p", "q"]), inner, max_size=2)
    ),
    max_leaves=5,
)


def value_of(declared: Type, draw: st.DrawFn) -> object:  # noqa: C901, PLR0911 - one case a kind
    if declared.optional and draw(st.booleans()):
        return None
    match declared.kind:
        case "list":
            return [value_of(declared.item or ANY, draw) for _ in range(draw(st.integers(0, 2)))]
        case "dict":
            return {
                k: value_of(declared.item or ANY, draw) for k in draw(st.sets(st.text(max_size=2)))
            }
        case "object":
            return {
                name: value_of(each, draw)
                for name, each in declared.fields.items()
                if not each.optional or draw(st.booleans())
            }
        case "enum":
            return draw(st.sampled_from(declared.values))
        case "str":
            return draw(st.text(max_size=2))
        case "int":
            return draw(st.integers())
        case "float":
            return draw(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
        case _:
            return draw(st.booleans())


A, AB = Type(kind="object", fields={"a": STR}), Type(kind="object", fields={"a": STR, "b": STR})
A_MAYBE_B = Type(kind="object", fields={"a": STR, "b": parse_type("str?")})
NUMBERS = Type(kind="enum", values=(1, 2))


@pytest.mark.parametrize(
    ("source", "target", "fits"),
    [
        (INT, FLOAT, True),
        (FLOAT, INT, False),
        (BOOL, INT, False),
        (LEVEL, STR, True),
        (LEVEL, INT, False),
        (NUMBERS, FLOAT, True),
        (STR, LEVEL, False),
        (Type(kind="enum", values=("low",)), LEVEL, True),
        (LEVEL, Type(kind="enum", values=("low",)), False),
        (ANY, STR, True),
        (STR, ANY, True),
        (A, A_MAYBE_B, True),
        (A, AB, False),
        (AB, A, False),
        (AB, parse_type("dict[str]"), True),
        (AB, parse_type("dict[int]"), False),
        (AB, parse_type("object"), True),
        (parse_type("object"), AB, True),
        (parse_type("dict[str]"), AB, False),
        (parse_type("list[int]"), parse_type("list[float]"), True),
        (parse_type("list[int]"), parse_type("list[str]"), False),
        (parse_type("list"), parse_type("list[str]"), True),
        (STR, parse_type("list[str]"), False),
    ],
)
def test_one_type_fits_another_or_not(source: Type, target: Type, fits: bool) -> None:
    assert assignable(source, target) is fits


@given(closed_types(), closed_types(), st.data())
def test_what_fits_a_type_fits_every_type_that_it_is_assignable_to(
    source: Type, target: Type, data: st.DataObject
) -> None:
    value = data.draw(st.composite(lambda draw: value_of(source, draw))())
    assert problems(source, value) == []
    if assignable(source, target):
        assert problems(target, value) == []


@given(closed_types())
def test_every_type_is_assignable_to_itself_and_to_its_nullable_self(declared: Type) -> None:
    nullable = Type(
        kind=declared.kind,
        item=declared.item,
        fields=declared.fields,
        values=declared.values,
        optional=True,
    )
    assert assignable(declared, declared)
    assert assignable(declared, nullable)
    assert assignable(nullable, declared) is declared.optional


@given(closed_types(), VALUES)
def test_checking_a_value_never_fails(declared: Type, value: object) -> None:
    assert all(isinstance(each, str) for each in problems(declared, value))
    assert describe(declared)
    assert json_schema(declared)
