"""The merge of two changes loses nothing and invents nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.storage.faces import MISSING, Clash, Merged, merge
from holdfast.storage.faces.values import canonical, is_same

Members = dict[str, object]
_scalars = st.sampled_from([0, 1, True, 1.0, None, "a", "b"])
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
    ),
    max_leaves=5,
)
_fields = st.dictionaries(st.sampled_from("abcd"), _values, max_size=4)
_many = settings(max_examples=250, deadline=None)


def look_up(fields: object, path: tuple[str, ...]) -> object:
    for name in path:
        if not isinstance(fields, dict) or name not in fields:
            return MISSING
        fields = fields[name]
    return fields


def leaves(fields: object, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    """Return every value that is no object, and empty objects, by their paths."""
    if not isinstance(fields, dict) or not fields:
        return {path: fields}
    found = {}
    for name, value in fields.items():
        found |= leaves(value, (*path, name))
    return found


def same(one: object, other: object) -> bool:
    if one is MISSING or other is MISSING:
        return one is other
    return is_same(one, other)


@_many
@given(base=_fields, ours=_fields)
def test_what_only_one_side_changed_is_taken_as_it_is(base: Members, ours: Members) -> None:
    for merged in (merge(base, ours, base), merge(base, base, ours), merge(base, ours, ours)):
        assert canonical(merged.fields) == canonical(ours)
        assert not merged.clashes
    assert not merge(base, ours, base).taken
    assert not merge(base, ours, ours).taken
    assert not merge(None, ours, ours).clashes


@_many
@given(base=_fields, ours=_fields, theirs=_fields)
def test_a_merge_is_symmetric_but_for_the_clashes(
    base: Members, ours: Members, theirs: Members
) -> None:
    one, other = merge(base, ours, theirs), merge(base, theirs, ours)
    assert {each.path for each in one.clashes} == {each.path for each in other.clashes}
    for clash, mirrored in zip(
        sorted(one.clashes, key=lambda each: each.path),
        sorted(other.clashes, key=lambda each: each.path),
        strict=True,
    ):
        assert same(clash.ours, mirrored.theirs)
        assert same(clash.theirs, mirrored.ours)
    if not one.clashes:
        assert canonical(one.fields) == canonical(other.fields)


@_many
@given(base=st.none() | _fields, ours=_fields, theirs=_fields)
def test_nothing_that_a_side_wrote_is_lost(
    base: Members | None, ours: Members, theirs: Members
) -> None:
    merged = merge(base, ours, theirs)
    clashing = [each.path for each in merged.clashes]
    for side in (ours, theirs):
        for path, value in leaves(side).items():
            if any(path[: len(clash)] == clash for clash in clashing):
                continue
            kept = look_up(merged.fields, path)
            unchanged = base is not None and same(look_up(base, path), value)
            # An empty object may have got members from the other side.
            filled = value == {} and isinstance(kept, dict)
            assert same(kept, value) or unchanged or filled, (path, value)


@_many
@given(base=st.none() | _fields, ours=_fields, theirs=_fields)
def test_nothing_comes_from_nowhere(base: Members | None, ours: Members, theirs: Members) -> None:
    merged = merge(base, ours, theirs)
    for path, value in leaves(merged.fields).items():
        sources = [look_up(side, path) for side in (ours, theirs)]
        emptied = value == {} and all(isinstance(each, dict) for each in sources)
        assert emptied or any(same(value, source) for source in sources), (path, value)
    for path in merged.taken:
        assert same(look_up(merged.fields, path), look_up(theirs, path))
        assert not same(look_up(ours, path), look_up(theirs, path))
    for clash in merged.clashes:
        assert same(clash.ours, look_up(ours, clash.path))
        assert same(clash.theirs, look_up(theirs, clash.path))
        assert same(look_up(merged.fields, clash.path), clash.ours)


@_many
@given(ours=_fields, theirs=_fields)
def test_without_a_base_every_difference_clashes_and_ours_stays(
    ours: Members, theirs: Members
) -> None:
    merged = merge(None, ours, theirs)
    assert canonical(merged.fields) == canonical(ours)
    assert not merged.taken
    assert bool(merged.clashes) is not is_same(ours, theirs)


@_many
@given(base=_fields, ours=_fields, theirs=_fields)
def test_merging_again_changes_nothing(base: Members, ours: Members, theirs: Members) -> None:
    merged = merge(base, ours, theirs)
    again = merge(base, merged.fields, theirs)
    assert canonical(again.fields) == canonical(merged.fields)


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "expected"),
    [
        ({"a": 1}, {"a": 1}, {}, Merged({}, (("a",),))),
        ({"a": 1}, {"a": 2}, {}, Merged({"a": 2}, (), (Clash(("a",), 2, MISSING),))),
        ({"a": 1}, {}, {"a": 2}, Merged({}, (), (Clash(("a",), MISSING, 2),))),
        ({}, {"a": 1}, {"b": 2}, Merged({"a": 1, "b": 2}, (("b",),))),
        ({"a": 1}, {"a": 1}, {"a": True}, Merged({"a": True}, (("a",),))),
        (
            {"o": {"x": 1, "y": 1}},
            {"o": {"x": 2, "y": 1}},
            {"o": {"x": 1, "y": 2}},
            Merged({"o": {"x": 2, "y": 2}}, (("o", "y"),)),
        ),
        ({}, {"o": {"x": 1}}, {"o": {"y": 2}}, Merged({"o": {"x": 1, "y": 2}}, (("o", "y"),))),
        (
            {"l": [1]},
            {"l": [1, 2]},
            {"l": [0, 1]},
            Merged({"l": [1, 2]}, (), (Clash(("l",), [1, 2], [0, 1]),)),
        ),
        (
            {"o": 5},
            {"o": {"x": 1}},
            {"o": {"y": 2}},
            Merged({"o": {"x": 1}}, (), (Clash(("o",), {"x": 1}, {"y": 2}),)),
        ),
        (None, {"a": 1}, {"a": 1, "b": 2}, Merged({"a": 1}, (), (Clash(("b",), MISSING, 2),))),
    ],
)
def test_the_rule_in_examples(
    base: Members | None, ours: Members, theirs: Members, expected: Merged
) -> None:
    merged = merge(base, ours, theirs)
    assert canonical(merged.fields) == canonical(expected.fields)
    assert merged.taken == expected.taken
    assert merged.clashes == expected.clashes
