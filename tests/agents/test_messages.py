"""What a person is told when a workflow goes wrong."""

from __future__ import annotations

import pytest

from holdfast.agents.problems import WorkflowInvalid
from holdfast.tasks.state import TaskState
from tests.agents.bench import Bench

UNWRITTEN = """
name: unwritten
state: {go: {type: bool, default: false}, n: "list[int]", m: any}
nodes:
  decide: {kind: python, call: "flow_functions:add", arguments: {a: 1, b: 2}}
  write: {kind: python, call: "flow_functions:say", arguments: {text: []}, returns: "list[int]", output: n}
  read: READER
edges:
  - start -> decide
  - {from: decide, to: write, when: state.go}
  - {from: decide, to: read, otherwise: true}
  - write -> read
OUTPUT
"""


@pytest.mark.parametrize(
    ("reader", "output", "said"),
    [
        ('{kind: human, ask: "so {state.n}?"}', "", "read: state.n has not been written yet"),
        (
            '{kind: human, ask: "{x}", map: {over: state.n, as: x}}',
            "",
            "read: state.n has not been written yet",
        ),
        (
            '{kind: python, call: "flow_functions:say", arguments: {text: "{state.n}"}}',
            "",
            "state.n has not been written yet",
        ),
        (
            '{kind: python, call: "flow_functions:say", arguments: {text: x}}',
            'output: "{state.n}"',
            "the output of the workflow: state.n has not been written yet",
        ),
    ],
)
async def test_reading_what_was_not_written_names_the_field_and_the_node(
    bench: Bench, reader: str, output: str, said: str
) -> None:
    text = UNWRITTEN.replace("READER", reader).replace("OUTPUT", output)
    history = await bench.run(text)
    assert history.state is TaskState.FAILED
    assert history.error is not None
    message = f"{history.error.get('step', '')}: {history.error['message']}".removeprefix(": ")
    assert said in message
    assert message.startswith(("read: ", "the output"))


@pytest.mark.parametrize("written", ["{type: list[int]}", "list[int]", "{type: dict[list[str]]}"])
async def test_a_type_without_quotes_inside_braces_is_told_where_it_stands(
    bench: Bench, written: str
) -> None:
    text = f'name: q\nstate: {{a: str, n: {written}}}\nnodes: {{a: {{kind: human, ask: "?"}}}}\n'
    with pytest.raises(WorkflowInvalid) as caught:
        bench.load(text)
    (problem,) = caught.value.problems
    bare = written.removeprefix("{type: ").removesuffix("}")
    assert problem.suggestion == f'put it in quotes: "{bare}"'
    assert text.splitlines()[1][problem.column - 1 :].startswith(bare)


async def test_a_loop_that_is_exhausted_fails_only_where_something_else_could_lead_on(
    bench: Bench,
) -> None:
    loop = """
name: exhausted
state: {n: {type: int, default: 0}}
nodes:
  a: {kind: python, call: "flow_functions:inc", arguments: {n: "{state.n}"}, returns: int, output: n}
  b: {kind: python, call: "flow_functions:say", arguments: {text: b}}
edges:
  - start -> a
  - {from: a, to: b, when: "state.n > 100"}
  - {from: a, to: a, otherwise: true, limit: 2}
"""
    failed = await bench.run(loop)
    assert failed.state is TaskState.FAILED
    assert failed.error is not None
    assert "limit of 2" in str(failed.error["message"])
    only = loop.replace('  - {from: a, to: b, when: "state.n > 100"}\n', "")
    only = only.replace("otherwise: true", 'when: "state.n < 100"')
    only = only.replace(
        '  b: {kind: python, call: "flow_functions:say", arguments: {text: b}}\n', ""
    )
    assert (await bench.run(only)).result == {"n": 3}
