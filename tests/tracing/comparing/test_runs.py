"""Two runs are matched span by span, and the first thing that was done otherwise is found."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.frozen import replace
from holdfast.tracing.comparing.runs import Change, RunComparison, compare_runs
from holdfast.tracing.comparing.sequences import best, common
from holdfast.tracing.span import Span
from tests.tracing.analysis.making import MS, nested, span, wild

Words = st.lists(st.sampled_from("abcd"), max_size=12)


def longest(base: Sequence[Hashable], head: Sequence[Hashable]) -> int:
    """Return the length of the longest common subsequence, by its definition."""
    row = [0] * (len(head) + 1)
    for one in base:
        above = row[:]
        for place, other in enumerate(head):
            row[place + 1] = above[place] + 1 if one == other else max(row[place], above[place + 1])
    return row[-1]


@given(Words, Words)
def test_what_two_short_sequences_have_in_common_is_as_long_as_can_be(
    base: list[str], head: list[str]
) -> None:
    found = common(base, head)
    assert len(found) == longest(base, head)
    assert all(base[i] == head[j] for i, j in found)
    assert found == sorted(found)
    assert len({i for i, _ in found}) == len({j for _, j in found}) == len(found)


@given(st.integers(0, 2**32))
def test_what_two_long_sequences_have_in_common_grows_in_both(seed: int) -> None:
    chance = random.Random(seed)
    base = [chance.randrange(3000) for _ in range(400)]
    head = [each for each in base if chance.random() > 0.1] + [
        chance.randrange(3000) for _ in range(50)
    ]
    found = common([-1, *base, -2], [-3, *head, -4])
    assert all(before[0] < after[0] and before[1] < after[1] for before, after in pairwise(found))  # fmt: skip
    assert len(found) > 250


@given(st.integers(0, 2**32))
def test_long_sequences_of_few_words_are_matched_in_order_too(seed: int) -> None:
    chance = random.Random(seed)
    base: list[object] = [chance.randrange(20) for _ in range(300)]
    head: list[object] = [chance.randrange(20) for _ in range(300)]
    for place in (50, 150, 250):
        base[place] = head[place + chance.randrange(-40, 40)] = f"unique {place}"
    found = common(base, head)
    assert all(base[i] == head[j] for i, j in found)
    assert all(before[0] < after[0] and before[1] < after[1] for before, after in pairwise(found))


@given(
    st.lists(st.lists(st.sampled_from((0.0, 1.0, 1.5, 3.0)), min_size=4, max_size=4), max_size=5)
)
def test_the_best_matches_are_worth_most_together(worths: list[list[float]]) -> None:
    def most(i: int, j: int) -> float:
        if i == len(worths) or j == 4:
            return 0.0
        taken = worths[i][j] + most(i + 1, j + 1)
        return max(taken, most(i + 1, j), most(i, j + 1))

    found = best(len(worths), 4, lambda i, j: worths[i][j])
    assert found is not None
    assert sum(worths[i][j] for i, j in found) == most(0, 0)
    assert all(before[0] < after[0] and before[1] < after[1] for before, after in pairwise(found))


def test_long_sequences_do_not_take_long() -> None:
    base = [*range(20_000), "x"]
    head = ["y", *(each for each in base if each != 7), "z"]
    begin = time.process_time()
    assert len(common(base, head)) == 20_000
    assert time.process_time() - begin < 2


def test_a_table_that_is_too_large_is_not_made() -> None:
    assert best(1000, 1000, lambda _, __: 1.0) is None


def call(
    id_: str, parent: str, begin: int, end: int, name: str, arguments: str = "", output: str = ""
) -> Span:
    given_ = {"input": arguments} if arguments else {}
    got = {"output": output} if output else {}
    return span(id_, parent, begin, end, name=name, kind="tool", **given_, **got)


RUN = span("run", None, 0, 1000, kind="run")
BASE = [
    RUN, call("a", "run", 0, 100, "search", "cats", "3 cats"),
    call("b", "run", 100, 200, "read", "page 1", "text"),
    call("c", "run", 200, 400, "write", "report", "done"),
]  # fmt: skip


def told(comparison: RunComparison) -> list[tuple[str, str]]:
    return [(each.what, each.name) for each in comparison.changes]


def first(comparison: RunComparison) -> tuple[str, str] | None:
    found = comparison.first_divergence
    return None if found is None else (found.what, found.name)


def test_a_run_is_the_same_as_itself() -> None:
    found = compare_runs(BASE, BASE)
    assert found.is_same
    assert (found.matched, list(found.changes)) == (4, [])


def test_added_and_removed_spans_are_told() -> None:
    extra = call("x", "run", 200, 210, "check")
    assert told(compare_runs(BASE, [*BASE, extra])) == [("added", "check")]
    assert told(compare_runs([*BASE, extra], BASE)) == [("removed", "check")]


def test_a_whole_branch_is_told_once_with_its_size() -> None:
    branch = [
        call("x", "run", 500, 600, "plan"),
        call("y", "x", 500, 550, "ask"),
        call("z", "y", 500, 510, "get"),
    ]
    (change,) = compare_runs(BASE, [*BASE, *branch]).changes
    assert change.text == "plan was added (3 spans)"


def test_other_arguments_and_other_results_are_told_apart() -> None:
    other = [RUN, call("a", "run", 0, 100, "search", "dogs", "3 cats"), *BASE[2:]]
    assert told(compare_runs(BASE, other)) == [("arguments", "search")]
    other = [RUN, call("a", "run", 0, 100, "search", "cats", "2 cats"), *BASE[2:]]
    assert told(compare_runs(BASE, other)) == [("output", "search")]


def test_what_follows_from_a_difference_below_is_a_consequence() -> None:
    def run(output: str) -> list[Span]:
        top = replace(RUN, attributes={"output": f"answer {output}"})
        step = span("s", "run", 0, 500, output=f"so {output}")
        return [top, step, call("a", "s", 0, 100, "search", "cats", output)]

    found = compare_runs(run("3"), run("4"))
    assert [(each.name, each.is_consequence) for each in found.changes] == [
        ("run", True), ("s", True), ("search", False),
    ]  # fmt: skip
    assert first(found) == ("output", "search")


def test_slower_is_what_takes_longer_itself_and_not_what_waits_for_it() -> None:
    slow = [
        replace(RUN, duration_ns=1500 * MS),
        *BASE[1:3],
        call("c", "run", 200, 900, "write", "report", "done"),
    ]
    found = compare_runs(BASE, slow)
    assert ("slower", "write") in told(found)
    assert found.is_same
    assert (
        next(each for each in found.changes if each.name == "write").text
        == "write was slower: 200 ms, now 700 ms"
    )


def test_another_end_is_told() -> None:
    failed = [RUN, replace(BASE[1], status="error", error="OSError: x"), *BASE[2:]]
    assert told(compare_runs(BASE, failed)) == [("status", "search")]


def test_parallel_branches_in_another_order_are_no_difference() -> None:
    def run(order: str) -> list[Span]:
        return [
            RUN,
            *(
                call(each, "run", n, 900 + n, f"branch {each}", each)
                for n, each in enumerate(order)
            ),
        ]

    assert compare_runs(run("abc"), run("cab")).is_same


def test_a_sequence_in_another_order_is_a_difference() -> None:
    def run(order: str) -> list[Span]:
        return [
            RUN,
            *(
                call(each, "run", n * 10, n * 10 + 9, f"step {each}", each)
                for n, each in enumerate(order)
            ),
        ]

    assert {what for what, _ in told(compare_runs(run("abc"), run("bca")))} == {"moved"}


def test_of_turns_that_look_alike_the_missing_one_is_found_by_what_is_in_them() -> None:
    def run(turns: str) -> list[Span]:
        spans = [RUN]
        for place, turn in enumerate(turns):
            spans.append(span(f"t{place}", "run", place * 100, place * 100 + 90, name="turn"))
            spans.append(
                call(f"m{place}", f"t{place}", place * 100, place * 100 + 50, "ask", turn, turn)
            )
        return spans

    found = compare_runs(run("abcde"), run("abde"))
    assert told(found) == [("removed", "turn")]
    assert found.changes[0].base_id == "t2"


def test_of_turns_that_changed_the_one_that_is_most_alike_is_the_same() -> None:
    def turn(id_: str, at: int, *asked: str) -> list[Span]:
        calls = [call(f"{id_}.{n}", id_, at + n * 10, at + n * 10 + 9, "ask", each, each) for n, each in enumerate(asked)]  # fmt: skip
        return [span(id_, "run", at, at + 90, name="turn"), *calls]

    base = [RUN, *turn("t1", 0, "a", "b", "c"), *turn("t2", 100, "d", "e", "f")]
    head = [RUN, *turn("t2", 0, "d", "e", "x")]
    found = compare_runs(base, head)
    assert next((each.what, each.name, each.base_id) for each in found.changes) == (
        "removed",
        "turn",
        "t1",
    )
    assert ("arguments", "ask") in told(found)


def test_what_is_missing_before_a_difference_is_the_first_divergence() -> None:
    other = [RUN, BASE[1], call("c", "run", 200, 400, "write", "report", "not done")]
    found = compare_runs(BASE, other)
    assert told(found) == [("removed", "read"), ("output", "write")]
    assert first(found) == ("removed", "read")


def agent(size: int, chance: random.Random) -> list[Span]:
    """Return a run of about `size` spans: turns with model calls and tools in them."""
    spans = [span("run", None, 0, size * 100, kind="run")]
    turn, at = 0, 0
    while len(spans) < size - 6:
        turn += 1
        id_ = f"t{turn}"
        begin = at
        inside: list[Span] = []
        for number in range(chance.randint(1, 5)):
            name = chance.choice(("ask", "search", "read"))
            inside.append(
                call(
                    f"{id_}.{number}",
                    id_,
                    at,
                    at + 50,
                    name,
                    f"{turn} {number}",
                    f"r{turn}{number}",
                )
            )
            at += 60
        spans += [span(id_, "run", begin, at, name="turn"), *inside]
        at += 10
    return spans


Mutation = Callable[[list[Span], random.Random], tuple[list[Span], str, str]]


def leaf(spans: list[Span], chance: random.Random) -> int:
    return chance.choice([n for n, each in enumerate(spans) if each.kind == "tool"])


def remove(spans: list[Span], chance: random.Random) -> tuple[list[Span], str, str]:
    place = leaf(spans, chance)
    return spans[:place] + spans[place + 1 :], "removed", spans[place].span_id


def add(spans: list[Span], chance: random.Random) -> tuple[list[Span], str, str]:
    at = spans[leaf(spans, chance)]
    new = replace(
        at, span_id="new", start_ns=at.end_ns + MS, duration_ns=5 * MS, attributes={"input": "new"}
    )
    return [*spans, new], "added", "new"


def ask_otherwise(spans: list[Span], chance: random.Random) -> tuple[list[Span], str, str]:
    place = leaf(spans, chance)
    changed = replace(spans[place], attributes={**spans[place].attributes, "input": "other"})
    return [*spans[:place], changed, *spans[place + 1 :]], "arguments", changed.span_id


def answer_otherwise(spans: list[Span], chance: random.Random) -> tuple[list[Span], str, str]:
    place = leaf(spans, chance)
    changed = replace(spans[place], attributes={**spans[place].attributes, "output": "other"})
    return [*spans[:place], changed, *spans[place + 1 :]], "output", changed.span_id


def diverge(spans: list[Span], chance: random.Random) -> tuple[list[Span], str, str]:
    """Give another answer, and do everything after it otherwise."""
    changed, what, id_ = answer_otherwise(spans, chance)
    since = next(each.start_ns for each in changed if each.span_id == id_)
    return [
        replace(each, attributes={"input": f"{each.attributes.get('input')} instead", "output": "x"})
        if each.start_ns > since and each.kind == "tool" and chance.random() < 0.7 else each
        for each in changed
    ], what, id_  # fmt: skip


def test_the_first_divergence_is_right_in_95_of_100_mutations() -> None:
    right = total = 0
    for seed in range(20):
        for mutate in (remove, add, ask_otherwise, answer_otherwise, diverge):
            chance = random.Random(seed)
            base = agent(200, chance)
            head, what, id_ = mutate(base, chance)
            renamed = [
                replace(each, trace_id="b" * 32, start_ns=each.start_ns + 10**12) for each in head
            ]
            found = compare_runs(base, renamed).first_divergence
            total += 1
            right += (
                found is not None and found.what == what and id_ in (found.head_id, found.base_id)
            )
    assert right / total >= 0.95


def test_two_runs_of_a_thousand_spans_are_compared_at_once() -> None:
    chance = random.Random(3)
    base = agent(1000, chance)
    head, _, _ = diverge(base, chance)
    times: list[float] = []
    for _ in range(3):
        begin = time.process_time()
        compare_runs(base, head)
        times.append(time.process_time() - begin)
    assert min(times) < 0.5  # 50 ms on a machine with nothing else to do: see the benchmark


@given(wild(), wild())
def test_any_two_runs_can_be_compared(base: list[Span], head: list[Span]) -> None:
    found = compare_runs(base, head)
    removed = sum(each.spans for each in found.changes if each.what == "removed")
    assert found.matched + removed == len({each.span_id for each in base})
    added = sum(each.spans for each in found.changes if each.what == "added")
    assert found.matched + added == len({each.span_id for each in head})
    assert all(isinstance(each, Change) and each.text for each in found.changes)


@given(nested(), st.integers(-(10**15), 10**15))
def test_a_run_at_another_time_is_the_same(spans: list[Span], later: int) -> None:
    head = [replace(each, start_ns=each.start_ns + later) for each in spans]
    assert compare_runs(spans, head).is_same


@pytest.mark.parametrize("size", [20_000])
def test_deep_and_wide_runs_can_be_compared(size: int) -> None:
    deep = [span(str(n), str(n - 1) if n else None, n, 4 * size - n) for n in range(size)]
    assert compare_runs(deep, deep[: size - 1]).matched == size - 1
    wide = [RUN, *(call(str(n), "run", n, n + 1, "get", str(n)) for n in range(size))]
    assert first(compare_runs(wide, wide[:7] + wide[8:])) == ("removed", "get")
