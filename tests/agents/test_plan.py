"""What is wrong with a graph is found before anything runs."""

from __future__ import annotations

from itertools import pairwise

import pytest

from holdfast.agents.plan import Analysis, analyse
from holdfast.agents.workflow import Edge
from tests.agents.graphs import edge, plan_of


def problems_of(names: str, edges: list[str]) -> list[str]:
    return [each.message for each in analysis_of(names, edges).problems]


def analysis_of(names: str, edges: list[str]) -> Analysis:
    return analyse(names.split(), [edge(each) for each in edges], {})


@pytest.mark.parametrize(
    ("names", "edges", "message"),
    [
        ("a", ["start>b"], "unknown node 'b' in an edge"),
        ("a", ["start>a", "a>start"], "nothing can lead to 'start'"),
        ("a", ["start>a", "end>a"], "nothing can follow 'end'"),
        ("a b", ["start>a"], "node 'b' cannot be reached from 'start'"),
        ("a b", ["start>a", "a>b", "a>b"], "the edge a -> b is there twice"),
        ("a b", ["start>a", "a>b", "b>a"], "the cycle a -> b -> a has no limit"),
        ("a b", ["start>a", "a>b?"], "'a' has no way out when no condition holds"),
        ("a b", ["start>a", "a>b!"], "'a' has 'otherwise' but no edge with 'when'"),
        ("a b", ["start>a", "a>b%2"], "the edge a -> b has a limit but closes no loop"),
        ("a b c", ["start>a", "a>b?", "a>b!", "a>c!"], "'a' has two edges marked 'otherwise'"),
    ],
)
def test_a_faulty_graph_is_named(names: str, edges: list[str], message: str) -> None:
    assert message in problems_of(names, edges)


def test_loops_that_overlap_without_nesting_are_refused() -> None:
    edges = ["start>a", "start>b", "a>m", "b>m", "m>x", "m>y", "x>a?2", "y>b?2"]
    assert problems_of("a b m x y", edges) == ["the loops back to 'a' and to 'b' overlap"]


def test_a_loop_that_begins_inside_another_lies_within_it() -> None:
    plan = plan_of("draft edit legal", [
        "start>draft", "draft>edit", "edit>draft?3", "edit>legal!", "legal>edit?2",
    ])  # fmt: skip
    inner, outer = plan.loops
    assert inner.body & ~outer.body == 0
    assert plan.names[outer.head] == "draft"


def conflict(edges: list[Edge]) -> list[str]:
    writes = {"b": {"x": "replace"}, "c": {"x": "replace"}}
    found = analyse(["a", "b", "c", "d"], edges, writes)  # pyright: ignore[reportArgumentType]
    return [each.message for each in found.problems]


def test_parallel_branches_must_not_replace_one_field() -> None:
    edges = [edge(each) for each in ("start>a", "a>b", "a>c", "b>d", "c>d")]
    assert conflict(edges) == ["'b' and 'c' may run at the same time and both replace state.x"]


def test_branches_of_one_choice_may_replace_one_field() -> None:
    edges = [edge(each) for each in ("start>a", "a>b?", "a>c!", "b>d", "c>d")]
    assert conflict(edges) == []


def test_nodes_one_after_the_other_may_replace_one_field() -> None:
    edges = [edge(each) for each in ("start>a", "a>b", "b>c", "c>d")]
    assert conflict(edges) == []


def test_what_may_come_before_a_node_includes_later_nodes_of_its_loop() -> None:
    found = analysis_of("a b c", ["start>a", "a>b", "b>a?2", "b>c!"])
    assert found.before["a"] == {"a", "b"}
    assert found.before["c"] == {"a", "b"}


def test_a_chain_of_a_thousand_nodes_is_planned() -> None:
    names = [f"n{index}" for index in range(1000)]
    edges = [Edge(source="start", target="n0")]
    edges += [Edge(source=a, target=b) for a, b in pairwise(names)]
    plan = analyse(names, edges, {name: {"x": "replace"} for name in names}).plan
    assert plan is not None
    assert plan.edges[-1] == Edge(source="n999", target="end")
