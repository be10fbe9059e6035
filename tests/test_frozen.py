"""`frozen` makes what `dataclasses` makes, only cheaper."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.frozen import field, frozen, maker, members_of, records, replace, slotted

USES = 20
"""More than it takes until a class compiles its constructor."""


@frozen
class Boat:
    """A record with every kind of field."""

    kind: ClassVar[str] = "boat"
    name: str
    crew: int = 1
    cargo: list[str] = field(default_factory=list[str])

    @property
    def is_full(self) -> bool:
        return len(self.cargo) > self.crew


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """The same by the standard library."""

    kind: ClassVar[str] = "boat"
    name: str
    crew: int = 1
    cargo: list[str] = dataclasses.field(default_factory=list[str])


@frozen(kw_only=False)
class Point:
    """A record whose fields may be given by their place."""

    x: int
    y: int = 0


@slotted
class Tally:
    """A record whose fields may change."""

    count: int = 0


MEMBERS = st.fixed_dictionaries(
    {}, optional={"name": st.text(), "crew": st.integers(), "cargo": st.lists(st.text()), "x": st.none()}
)  # fmt: skip


@given(members=MEMBERS)
def test_a_record_is_made_shown_compared_and_refused_as_by_dataclasses(
    members: dict[str, object],
) -> None:
    for _ in range(USES):
        ours, theirs = outcome(Boat, members), outcome(Twin, members)
        assert ours == theirs


def outcome(kind: type, members: dict[str, object]) -> object:
    try:
        made = kind(**members)
    except TypeError as error:
        return str(error).replace("Twin", "Boat")
    assert made == kind(**members)
    return repr(made).replace("Twin", "Boat"), dataclasses.asdict(made)


def test_defaults_that_are_made_are_made_anew_for_each_record() -> None:
    boats = [Boat(name="one") for _ in range(USES)]
    boats[0].cargo.append("kelp")
    assert [each.cargo for each in boats[1:]] == [[]] * (USES - 1)


@given(st.lists(st.tuples(st.text(), st.integers()), max_size=5))
def test_records_made_member_by_member_are_those_of_the_constructor(
    rows: list[tuple[str, int]],
) -> None:
    columns = {"name": [name for name, _ in rows], "crew": [crew for _, crew in rows]}
    made = records(Boat, len(rows), columns)
    assert made == [Boat(name=name, crew=crew) for name, crew in rows]
    assert len({id(each.cargo) for each in made}) == len(rows)
    assert records(Boat, 2, {"name": ["one", "two"]})[1].crew == 1


def test_records_without_a_member_or_with_too_few_values_are_refused() -> None:
    with pytest.raises(TypeError, match="'name' has no default"):
        records(Boat, 1, {})
    with pytest.raises(TypeError, match="Boat has no 'sail'"):
        records(Boat, 1, {"name": ["one"], "sail": [1]})
    with pytest.raises(ValueError, match="fewer than 2 values of 'name'"):
        records(Boat, 2, {"name": ["one"]})


def test_a_maker_makes_what_the_constructor_makes() -> None:
    make: Callable[..., Boat] = maker(Boat)
    given: list[dict[str, object]] = [
        {"name": "a"},
        {"name": "a", "crew": 2},
        {"name": "b", "cargo": ["x"]},
    ]
    for values in given:
        made = make(**values)
        assert made == Boat(**cast("Any", values))
        assert type(made) is Boat
        with pytest.raises(dataclasses.FrozenInstanceError):
            cast("Any", made).crew = 3
    assert make(name="a").cargo is not make(name="a").cargo
    with pytest.raises(TypeError, match="name"):
        make()
    with pytest.raises(TypeError, match="mast"):
        make(name="a", mast=1)
    tally = maker(Tally)()
    tally.count += 1
    assert tally == Tally(count=1)


@pytest.mark.parametrize("kind", [Boat, Twin])
def test_replacing_changes_the_named_fields_and_refuses_others(kind: type) -> None:
    boat = kind(name="a", crew=2, cargo=["x"])
    for crew in range(USES):
        other = replace(boat, name="b", crew=crew)
        assert (type(other), other.name, other.crew) == (kind, "b", crew)
        assert other.cargo is boat.cargo
        assert boat.name == "a"
    with pytest.raises(TypeError, match="has no 'mast'"):
        replace(boat, mast=1)


def test_a_record_cannot_change_and_has_no_other_fields() -> None:
    boat = Boat(name="one")
    with pytest.raises(dataclasses.FrozenInstanceError):
        boat.name = "two"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del boat.name  # pyright: ignore[reportAttributeAccessIssue]
    assert not hasattr(boat, "__dict__")
    tally = Tally()
    tally.count += 1
    assert tally == Tally(count=1)


def test_the_functions_of_dataclasses_work_on_a_record() -> None:
    boat = Boat(name="one", cargo=["kelp"])
    assert dataclasses.is_dataclass(boat)
    assert [each.name for each in dataclasses.fields(boat)] == ["name", "crew", "cargo"]
    assert dataclasses.replace(boat, crew=3) == replace(boat, crew=3)
    assert members_of(Twin) == members_of(Boat)


def test_records_are_matched_copied_pickled_and_hashed() -> None:
    match Point(3, 4):
        case Point(x, y):
            assert (x, y) == (3, 4)
    assert copy.deepcopy(Boat(name="a")) == Boat(name="a")
    assert pickle.loads(pickle.dumps(Point(1))) == Point(1)
    assert {Point(1), Point(1, 0), Point(1, y=0)} == {Point(1)}


def test_what_every_command_loads_does_without_the_dear_modules() -> None:
    program = "import sys, holdfast.tasks.service; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert {"asyncio", "dataclasses", "inspect"}.isdisjoint(done.stdout.split())
