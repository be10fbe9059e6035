"""What fits into a budget is whole, and everything else is named."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.memory import PROJECT, Entry, Kind, Provenance, parse_namespace
from holdfast.memory.priming import digest_of, prime
from tests.memory.desk import Desk

MIN_BUDGET = 200

NOW = 1_700_000_000_000
DAY = 86_400_000


def entry(number: int, text: str, kind: str, days: int, confidence: float | None) -> Entry:
    at = NOW - days * DAY
    return Entry(
        id=f"{number:032x}",
        name=f"{number}",
        namespace=PROJECT,
        kind=Kind(kind),
        value=text,
        recorded_at=at,
        updated_at=at,
        provenance=Provenance(confidence=confidence),
    )


ENTRIES = st.lists(
    st.tuples(
        st.text(min_size=1, max_size=400),
        st.sampled_from(list(Kind)),
        st.integers(-1, 4000),
        st.one_of(st.none(), st.floats(0, 1)),
    ),
    max_size=30,
).map(lambda each: [entry(number, *said) for number, said in enumerate(each)])


@pytest.mark.promise("memory-never-silent")
@settings(max_examples=200, deadline=None)
@given(entries=ENTRIES, budget=st.integers(MIN_BUDGET, 4000), found=st.lists(st.integers(0, 29)))
def test_every_entry_is_in_the_text_or_named_as_left_out(
    entries: Sequence[Entry], budget: int, found: Sequence[int]
) -> None:
    ranks = {f"{number:032x}": place for place, number in enumerate(found)}
    primed = prime(entries, budget, now=NOW, ranks=ranks, contradicted={f"{1:032x}": ["x"]})
    assert len(primed.text) <= budget
    assert primed.covers(entries)
    assert not primed.covers([*entries, entry(99, "unknown", "fact", 0, None)])
    assert all(each.text in primed.text for each in primed.included)
    named = {each.id for each in primed.left_out}
    assert named.isdisjoint(each.id for each in primed.included)
    assert len(named) + len(primed.included) == len(entries)
    assert primed.digest == digest_of(entries)
    if entries:
        assert primed.digest in primed.text
    if named:
        assert f"left out: {len(named)} of {len(entries)} entries" in primed.text
        assert budget < sum(each.characters for each in primed.left_out) + len(primed.text)


async def test_the_best_come_first(desk: Desk) -> None:
    await desk.write("an episode", kind="episode")
    await desk.write("a doubtful fact", provenance=Provenance(confidence=0.1))
    await desk.write("a preference", kind="preference")
    await desk.write("a sure fact", provenance=Provenance(confidence=1.0))
    primed = await desk.memories.prime(4000)
    values = [each.value for each in primed.included]
    assert values == ["a preference", "a sure fact", "an episode", "a doubtful fact"]
    assert primed.left_out == ()
    asked = await desk.memories.prime(4000, query="what is doubtful?")
    assert asked.included[0].value == "a doubtful fact"
    assert len(asked.included) == 4


async def test_what_is_too_long_is_left_out_whole_and_named(desk: Desk) -> None:
    long = (await desk.write("word " * 500, title="The long one", kind="preference")).entry
    await desk.write("short")
    primed = await desk.memories.prime(600)
    assert [each.value for each in primed.included] == ["short"]
    (left,) = primed.left_out
    assert (left.id, left.headline) == (long.id, "The long one")
    assert left.characters > 2500
    assert "left out: 1 of 2 entries: 1 preference" in primed.text


async def test_contradictions_are_shown(desk: Desk) -> None:
    one = (await desk.write("80", key="port")).entry
    two = (await desk.write("443", key="port")).entry
    text = (await desk.memories.prime(4000)).text
    assert f"CONTRADICTED by {one.id[:8]}" in text
    assert f"CONTRADICTED by {two.id[:8]}" in text


async def test_only_what_is_believed_in_the_namespaces_is_considered(desk: Desk) -> None:
    await desk.write("mine", within="agent:a")
    await desk.write("theirs", within="agent:b")
    gone = (await desk.write("gone", within="agent:a")).entry
    await desk.memories.forget(gone.id)
    primed = await desk.memories.prime(4000, namespaces=[parse_namespace("agent:a")])
    assert [each.value for each in primed.included] == ["mine"]
    assert primed.left_out == ()


async def test_an_empty_memory_says_so(desk: Desk) -> None:
    assert "nothing is remembered yet" in (await desk.memories.prime(4000, query="x")).text


async def test_a_budget_that_holds_nothing_is_refused(desk: Desk) -> None:
    with pytest.raises(UsageError, match=f"give at least {MIN_BUDGET}|holds nothing"):
        await desk.memories.prime(MIN_BUDGET - 1)
