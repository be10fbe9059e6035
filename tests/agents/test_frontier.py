"""Which nodes start, and how often, depends on the choices alone."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.agents.frontier import Frontier, Start
from holdfast.agents.plan import Plan, analyse
from holdfast.agents.workflow import Edge
from holdfast.errors import StepError
from tests.agents.graphs import edge, plan_of

Trace = dict[str, list[tuple[int, ...]]]


def drive(plan: Plan, order: random.Random, choose: dict[str, list[bool]]) -> Trace:
    """Run a plan with nodes finishing in a random order; return each node's starts."""
    frontier = Frontier(plan)
    running: list[Start] = frontier.begin()
    trace: Trace = {}
    steps = 0
    while running:
        steps += 1
        assert steps < 5000, "the run does not end"
        start = running.pop(order.randrange(len(running)))
        name = plan.names[start.node]
        trace.setdefault(name, []).append(start.edges)

        def holds(candidate: Edge, visit: int = start.visit) -> bool:
            answers = choose.get(f"{candidate.source}>{candidate.target}", [False])
            return answers[(visit - 1) % len(answers)]

        running += frontier.finish(start.node, holds)
    return trace


def visits(trace: Trace) -> dict[str, int]:
    return {name: len(starts) for name, starts in trace.items()}


def test_a_node_starts_when_all_ways_to_it_are_resolved() -> None:
    plan = plan_of("a b c d", ["start>a", "start>b", "a>c", "b>c", "b>d"])
    frontier = Frontier(plan)
    frontier.begin()
    number = {name: index for index, name in enumerate(plan.names)}

    first = frontier.finish(0, lambda _: True)
    after_b = frontier.finish(number["b"], lambda _: True)
    after_a = frontier.finish(number["a"], lambda _: True)

    assert [plan.names[start.node] for start in first] == ["a", "b"]
    assert [plan.names[start.node] for start in after_b] == ["d"]  # no barrier between levels
    assert [plan.names[start.node] for start in after_a] == ["c"]


def test_the_first_condition_that_holds_wins_and_otherwise_comes_last() -> None:
    plan = plan_of("a b c d", ["start>a", "a>d!", "a>b?", "a>c?"])
    assert set(drive(plan, random.Random(0), {"a>b": [True], "a>c": [True]})) == {
        "start", "a", "b", "end",
    }  # fmt: skip
    assert "d" in drive(plan, random.Random(0), {})


def test_a_node_behind_ways_that_were_all_skipped_is_skipped() -> None:
    plan = plan_of("a b c d", ["start>a", "a>b?", "b>c", "a>d!"])
    assert visits(drive(plan, random.Random(0), {})) == {"start": 1, "a": 1, "d": 1, "end": 1}


def test_a_loop_ends_when_its_condition_fails() -> None:
    plan = plan_of("draft review publish", [
        "start>draft", "draft>review", "review>draft?9", "review>publish!",
    ])  # fmt: skip
    trace = drive(plan, random.Random(0), {"review>draft": [True, True, False]})
    assert visits(trace) == {"start": 1, "draft": 3, "review": 3, "publish": 1, "end": 1}


def test_a_loop_ends_at_its_limit_and_takes_the_other_way() -> None:
    plan = plan_of("a b", ["start>a", "a>a?3", "a>b!"])
    assert visits(drive(plan, random.Random(0), {"a>a": [True]}))["a"] == 4


def test_a_loop_at_its_limit_with_no_other_way_out_is_an_error() -> None:
    plan = plan_of("a b", ["start>a", "a>b?", "a>a!2"])
    with pytest.raises(StepError, match="limit of 2"):
        drive(plan, random.Random(0), {})


def test_what_leaves_a_loop_from_its_middle_waits_until_the_loop_has_ended() -> None:
    plan = plan_of("a b c out", ["start>a", "a>out", "a>b", "b>a?2", "b>c!"])
    trace = drive(plan, random.Random(0), {"b>a": [True, True, False]})
    assert visits(trace)["out"] == 1
    assert visits(trace)["a"] == 3


def test_two_workers_that_loop_back_to_one_planner_go_round_together() -> None:
    plan = plan_of("plan x y done", [
        "start>plan", "plan>x?", "plan>y?", "plan>done!", "x>plan%9", "y>plan%9",
    ])  # fmt: skip
    choices = {"plan>x": [True, False, False, False], "plan>y": [True, True, False, False]}
    trace = drive(plan, random.Random(0), choices)
    assert visits(trace) == {"start": 1, "plan": 3, "x": 1, "y": 1, "done": 1, "end": 1}


def test_a_loop_waits_for_what_is_still_running_in_its_body() -> None:
    plan = plan_of("plan x y", ["start>plan", "plan>x", "plan>y", "x>plan?1", "y>plan?1"])
    frontier = Frontier(plan)
    number = {name: index for index, name in enumerate(plan.names)}
    frontier.begin()
    frontier.finish(0, lambda _: True)
    frontier.finish(number["plan"], lambda _: True)
    assert frontier.finish(number["x"], lambda _: True) == []
    (again,) = frontier.finish(number["y"], lambda _: True)
    assert (again.node, again.visit, len(again.edges)) == (number["plan"], 2, 2)


def test_an_inner_loop_counts_anew_in_each_round_of_the_outer_one() -> None:
    plan = plan_of("o i e", ["start>o", "o>i", "i>i?2", "i>e!", "e>o?1"])
    trace = drive(plan, random.Random(0), {"i>i": [True], "e>o": [True]})
    assert visits(trace) == {"start": 1, "o": 2, "i": 6, "e": 2, "end": 1}


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], list[Edge]]:
    """A random graph: forward edges between ordered nodes, some conditional, some loops back."""
    count = draw(st.integers(1, 9))
    names = [f"n{index}" for index in range(count)]
    edges = [edge(f"start>{names[0]}")]
    for index, name in enumerate(names):
        for target in draw(st.sets(st.integers(index + 1, count), max_size=3)):
            if target < count:
                mark = draw(st.sampled_from(["", "", "?"]))
                edges.append(edge(f"{name}>{names[target]}{mark}"))
        if draw(st.booleans()) and draw(st.booleans()):
            edges.append(edge(f"{name}>{names[draw(st.integers(0, index))]}?2"))
        if any(each.source == name and each.when for each in edges):
            edges.append(edge(f"{name}>end!"))
    reached = {"start"}
    for each in sorted(
        edges, key=lambda each: names.index(each.source) if each.source in names else -1
    ):
        if each.source in reached:
            reached.add(each.target)
    return [n for n in names if n in reached], [e for e in edges if e.source in reached]


@given(graphs(), st.randoms(use_true_random=False), st.data())
@settings(max_examples=300, deadline=None)
def test_the_order_in_which_nodes_finish_changes_nothing(
    graph: tuple[list[str], list[Edge]], order: random.Random, data: st.DataObject
) -> None:
    names, edges = graph
    plan = analyse(names, edges, {}).plan
    if plan is None:
        return  # overlapping loops, or a limit that closes no loop: refused before anything runs
    choices = {
        f"{each.source}>{each.target}": data.draw(st.lists(st.booleans(), min_size=1, max_size=4))
        for each in edges
        if each.when
    }
    first = drive(plan, random.Random(1), choices)
    second = drive(plan, order, choices)
    assert first == second
    assert len(first["end"]) == 1
