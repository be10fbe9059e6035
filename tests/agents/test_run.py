"""Workflows as a whole: what runs, what each node sees, what comes out."""

from __future__ import annotations

from typing import cast

import pytest

from holdfast.tasks.state import TaskState
from tests.agents.bench import Bench, result_of


async def test_nodes_pass_values_with_their_types(bench: Bench) -> None:
    history = await bench.run(
        """
name: sums
inputs: {a: int, b: {type: int, default: 4}}
state: {sum: int, both: object}
nodes:
  add: {kind: python, call: "flow_functions:add", arguments: {a: "{inputs.a}", b: 4}, returns: int, output: sum}
  pair: {kind: python, call: "flow_functions:pair", arguments: {a: "{state.sum}"}, returns: object, output: both}
output: {sum: "{state.sum}", text: "sum={state.sum}", right: "{state.both.right}"}
""",
        a=3,
    )
    assert result_of(history) == {"sum": 7, "text": "sum=7", "right": 14}


async def test_without_an_output_the_final_state_is_the_result(bench: Bench) -> None:
    history = await bench.run("""
name: plain
state: {n: {type: int, default: 1}, unset: int}
nodes:
  inc: {kind: python, call: "flow_functions:inc", arguments: {n: "{state.n}"}, returns: int, output: n}
""")
    assert result_of(history) == {"n": 2}


LOOP = """
name: loop
state: {n: {type: int, default: 0}, trail: {type: "list[int]", reducer: append, default: []}}
nodes:
  inc: {kind: python, call: "flow_functions:inc", arguments: {n: "{state.n}"}, returns: int, output: n}
  note: {kind: python, call: "flow_functions:inc", arguments: {n: "{state.n}"}, returns: int, output: trail}
  done: {kind: python, call: "flow_functions:say", arguments: {text: "end"}, returns: str}
edges:
  - start -> inc -> note
  - {from: note, to: inc, when: "state.n < 4", limit: LIMIT}
  - {from: note, to: done, otherwise: true}
"""


@pytest.mark.parametrize(("limit", "n"), [(10, 4), (2, 3)])
async def test_a_loop_runs_until_its_condition_or_its_limit(
    bench: Bench, limit: int, n: int
) -> None:
    history = await bench.run(LOOP.replace("LIMIT", str(limit)))
    assert result_of(history) == {"n": n, "trail": list(range(2, n + 2))}
    assert ("inc", n) in history.steps


async def test_parallel_branches_join_by_their_reducers_in_the_order_of_the_file(
    bench: Bench,
) -> None:
    history = await bench.run("""
name: join
state:
  items: {type: "list[int]", reducer: append, default: []}
  facts: {type: object, reducer: merge, default: {}}
  total: int
nodes:
  slow: {kind: python, call: "flow_functions:slow", arguments: {n: 1, delay: 0.05}, returns: int, output: items}
  fast: {kind: python, call: "flow_functions:slow", arguments: {n: 2, delay: 0}, returns: int, output: items}
  left: {kind: python, call: "flow_functions:pair", arguments: {a: 3}, returns: object, output: facts}
  count: {kind: python, call: "flow_functions:add", arguments: {a: "{state.items[0]}", b: "{state.items[1]}"}, returns: int, output: total}
edges:
  - {from: start, to: [slow, fast, left]}
  - slow -> count
  - fast -> count
  - left -> count
""")
    assert result_of(history) == {"items": [1, 2], "facts": {"left": 3, "right": 6}, "total": 3}


async def test_a_branch_does_not_see_what_a_parallel_branch_writes(bench: Bench) -> None:
    history = await bench.run("""
name: apart
state: {a: {type: int, default: 0}, b: int}
nodes:
  quick: {kind: python, call: "flow_functions:slow", arguments: {n: 9, delay: 0}, returns: int, output: a}
  wait: {kind: python, call: "flow_functions:slow", arguments: {n: 0, delay: 0.03}, returns: int}
  look: {kind: python, call: "flow_functions:inc", arguments: {n: "{state.a}"}, returns: int, output: b}
edges:
  - start -> quick
  - start -> wait -> look
""")
    assert result_of(history) == {"a": 9, "b": 1}


async def test_the_updates_of_a_branch_keep_their_order_where_it_joins(bench: Bench) -> None:
    history = await bench.run("""
name: ordered
state: {items: {type: "list[int]", reducer: append, default: []}}
nodes:
  a: {kind: python, call: "flow_functions:inc", arguments: {n: 0}, returns: int, output: items}
  b: {kind: python, call: "flow_functions:inc", arguments: {n: 1}, returns: int, output: items}
  c: {kind: python, call: "flow_functions:inc", arguments: {n: 2}, returns: int, output: items}
  d: {kind: python, call: "flow_functions:inc", arguments: {n: 3}, returns: int, output: items}
edges: [start -> a -> d, start -> b -> c -> d]
""")
    assert result_of(history) == {"items": [1, 2, 3, 4]}


async def test_a_tool_refuses_a_value_of_the_wrong_type(bench: Bench) -> None:
    history = await bench.run("""
name: mistyped
inputs: {given: any}
nodes:
  write: {kind: tool, tool: write_file, arguments: {path: out.txt, text: "{inputs.given}"}}
""", given=[1])  # fmt: skip
    assert history.error is not None
    assert "tool 'write_file': " in str(history.error["message"])
    assert not (bench.folder / "out.txt").exists()


async def test_a_map_runs_once_an_item_and_keeps_their_order(bench: Bench) -> None:
    history = await bench.run("""
name: mapped
inputs: {numbers: "list[float]"}
state: {out: {type: "list[float]", reducer: append, default: []}}
nodes:
  each:
    kind: python
    call: "flow_functions:slow"
    map: {over: inputs.numbers, as: number, concurrency: 3}
    arguments: {n: "{number}", delay: "{number}"}
    returns: float
    output: out
""", numbers=[0.03, 0.0, 0.02, 0.01])  # fmt: skip
    assert result_of(history) == {"out": [0.03, 0.0, 0.02, 0.01]}
    assert {path for path, _ in history.steps} == {f"each[{index}]" for index in range(4)}


async def test_a_map_over_nothing_gives_nothing(bench: Bench) -> None:
    history = await bench.run("""
name: empty
state: {items: {type: "list[int]", default: []}, out: {type: "list[int]", default: [9]}}
nodes:
  each: {kind: python, call: "flow_functions:inc", map: {over: state.items, as: n}, arguments: {n: "{n}"}, returns: int, output: out}
""")
    assert result_of(history) == {"items": [], "out": []}


async def test_no_more_items_run_at_once_than_allowed(bench: Bench) -> None:
    history = await bench.run("""
name: bounded
inputs: {numbers: "list[int]"}
state: {peaks: "list[int]"}
nodes:
  each: {kind: python, call: "flow_functions:crowd", map: {over: inputs.numbers, as: n, concurrency: 3}, returns: int, output: peaks}
""", numbers=list(range(12)))  # fmt: skip
    peaks = cast("dict[str, list[int]]", result_of(history))["peaks"]
    assert max(peaks) == 3


async def test_members_of_mapped_results_are_gathered(bench: Bench) -> None:
    history = await bench.run("""
name: gathered
inputs: {numbers: "list[int]"}
state: {rights: "list[int]"}
nodes:
  each:
    kind: python
    call: "flow_functions:pair"
    map: {over: inputs.numbers, as: n}
    arguments: {a: "{n}"}
    returns: {type: object, fields: {left: int, right: int}}
    output: {rights: right}
""", numbers=[1, 2])  # fmt: skip
    assert result_of(history) == {"rights": [2, 4]}


@pytest.mark.parametrize(
    ("call", "returns", "message"),
    [
        ("boom", "any", "as planned"),
        ("wrong", "any", "cannot be journaled"),
        ("wrong", "str", "must be str"),
    ],
)
async def test_a_node_that_fails_fails_the_run_with_its_name(
    bench: Bench, call: str, returns: str, message: str
) -> None:
    history = await bench.run(f"""
name: failing
nodes:
  bad: {{kind: python, call: "flow_functions:{call}", returns: {returns}}}
""")
    assert history.state is TaskState.FAILED
    assert history.error is not None
    assert history.error["step"] == "bad"
    assert message in str(history.error["message"])


async def test_a_failing_branch_stops_the_others(bench: Bench) -> None:
    history = await bench.run("""
name: halves
nodes:
  bad: {kind: python, call: "flow_functions:boom"}
  slow: {kind: python, call: "flow_functions:slow", arguments: {n: 1, delay: 30}, returns: int}
edges:
  - {from: start, to: [bad, slow]}
""")
    assert history.state is TaskState.FAILED
    assert set(history.steps) == {("bad", 1)}


async def test_a_condition_that_cannot_be_compared_says_where(bench: Bench) -> None:
    history = await bench.run("""
name: odd
state: {x: any}
nodes:
  a: {kind: python, call: "flow_functions:pair", arguments: {a: 1}, returns: any, output: x}
  b: {kind: python, call: "flow_functions:boom"}
edges:
  - start -> a
  - {from: a, to: b, when: "state.x > 3"}
  - {from: a, to: end, otherwise: true}
""")
    assert history.error is not None
    assert "the condition of a -> b (state.x > 3)" in str(history.error["message"])
