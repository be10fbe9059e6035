"""Say as much as fits, and name the rest: searched for counterexamples."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.tasks.sessions.drafting import Item, Section
from holdfast.tasks.sessions.fitting import Fitted, fit

# The lengths of an item: of its brief form, and of what the whole one has more (0: nothing).
LENGTHS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 90)), max_size=12)
SEARCH = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def made_of(lengths: Sequence[Sequence[tuple[int, int]]]) -> Sequence[Section]:
    """Return sections with items of these lengths; each says its label, so that one can look."""
    made: list[Section] = []
    for at, each in enumerate(lengths):
        items: list[Item] = []
        for number, (first, more) in enumerate(each):
            label = f"{at}q{number}"
            brief = f"- <{label}> {'x' * first}"
            whole = f"{brief}\n{'y' * more}\nend of {label}" if more else brief
            items.append(Item(id=f"id {label}", label=label, whole=whole, brief=brief))
        made.append(
            Section(
                name=f"s{at}", title=f"Section {at}", items=items, more=f"look {at}", rank=at % 2
            )
        )
    return made


SECTIONS = st.lists(LENGTHS, max_size=4).map(made_of)


def attempt(given: Sequence[Section], budget: int) -> Fitted | int:
    """Return what fits, or the least budget that would do."""
    try:
        return fit("the head", given, budget)
    except UsageError as error:
        least = re.search(r"allow (\d+) or more", error.hint)
        assert least
        return int(least[1])


@pytest.mark.promise("resume-names-what-it-leaves-out")
@settings(SEARCH, max_examples=200)
@given(SECTIONS, st.integers(1, 3000))
def test_the_budget_is_never_exceeded_and_nothing_is_dropped_in_silence(
    given: Sequence[Section], budget: int
) -> None:
    fitted = attempt(given, budget)
    if isinstance(fitted, int):
        assert fitted > budget
        assert isinstance(attempt(given, fitted), Fitted)
        return
    assert len(fitted.text) <= budget
    for section in given:
        if not section.items:
            continue
        part = fitted.parts[section.name]
        every = [*part.whole, *part.shortened, *part.left_out]
        assert sorted(every) == sorted(item.id for item in section.items)
        is_said = bool(part.whole or part.shortened)
        assert (f"{section.title} ({part.total})" in fitted.text) == is_said
        for item in section.items:
            assert (f"<{item.label}>" in fitted.text) == (item.id not in part.left_out)
            assert (item.whole in fitted.text) or (item.id not in part.whole)
        rest = next((x for x in fitted.text.split("\n") if x.startswith(f"- {section.title}:")), "")
        assert bool(rest) == bool(part.left_out or part.shortened)
        if part.left_out:
            assert f"{len(part.left_out)} of {part.total} left out" in rest
        if part.shortened:
            assert f"{len(part.shortened)} shortened" in rest
        if rest:
            assert rest.endswith(f"see: {section.more}")


@settings(SEARCH, max_examples=100)
@given(SECTIONS, st.integers(1, 3000))
def test_a_larger_budget_suffices_where_a_smaller_one_does(
    given: Sequence[Section], budget: int
) -> None:
    if isinstance(attempt(given, budget), Fitted):
        assert isinstance(attempt(given, budget + 1), Fitted)
    everything = attempt(given, 10_000_000)
    assert isinstance(everything, Fitted)
    assert everything.is_complete
    assert attempt(given, len(everything.text)) == Fitted(
        text=everything.text, budget=len(everything.text), parts=everything.parts
    )


def items(count: int) -> list[Item]:
    texts = [f"- <{number}> something to do" for number in range(count)]
    return [Item(id=str(n), label=str(n), whole=text, brief=text) for n, text in enumerate(texts)]


def test_ids_of_what_was_left_out_are_given_as_far_as_there_is_room() -> None:
    section = Section(name="next", title="Next", items=items(40), more="holdfast task ready")
    fitted = fit("head", [section], 600)
    assert len(fitted.text) <= 600
    found = re.search(r"(\d+) of 40 left out \(([\d ]+)(?: and (\d+) more)?\)", fitted.text)
    assert found
    named = found[2].split()
    assert named == list(fitted.parts["next"].left_out)[: len(named)]
    assert len(named) + int(found[3] or 0) == int(found[1]) == len(fitted.parts["next"].left_out)


def test_each_section_is_heard_before_any_is_finished() -> None:
    both = [
        Section(name=name, title=name, items=items(50), more="see") for name in ("first", "second")
    ]
    fitted = fit("head", both, 500)
    assert len(fitted.parts["second"].whole) >= 3


def test_sections_of_a_lower_rank_get_the_room_wherever_they_stand() -> None:
    first = Section(name="first", title="first", items=items(9), more="see", rank=1)
    second = Section(name="second", title="second", items=items(9), more="see")
    fitted = fit("head", [first, second], 200)
    assert len(fitted.parts["second"].whole) > len(fitted.parts["first"].whole)
    assert len(fit("head", [second, first], 200).text) <= 200
