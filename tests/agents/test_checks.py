"""What is checked before anything runs: a table of broken files, and what must not be refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.agents.check_nodes import argument_problems
from holdfast.agents.load import parse_workflow
from holdfast.agents.problems import WorkflowInvalid
from holdfast.agents.templates import parse_argument
from holdfast.agents.types import STR, Type, parse_type
from tests.agents.catalogue import TOOLS


def broken_files() -> dict[str, tuple[str, list[str]]]:
    """The cases of the files in `broken`: name to the text of a workflow and its messages."""
    found: dict[str, tuple[str, list[str]]] = {}
    for file in sorted((Path(__file__).parent / "broken").glob("*.txt")):
        head, *cases = file.read_text().split("=== ")
        fields = head[head.find("name: w") :]
        for case in cases:
            name, _, rest = case.partition("\n")
            text, _, messages = rest.rpartition("---\n")
            found[name] = (text.replace("FIELDS\n", fields), messages.splitlines())
    return found


BROKEN = broken_files()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_told_with_place_and_remedy(name: str) -> None:
    text, messages = BROKEN[name]
    with pytest.raises(WorkflowInvalid) as caught:
        parse_workflow(text, path="w.yaml", tools=TOOLS)
    assert [str(each).removeprefix("w.yaml:") for each in caught.value.problems] == messages


def check(nodes: str, *, state: str = "x: str", edges: str = "", output: str = "") -> list[str]:
    text = f"name: w\nstate:\n  {state}\nnodes:\n  {nodes}\n"
    text += f"edges:\n  {edges}\n" if edges else ""
    text += f"output: {output}\n" if output else ""
    try:
        parse_workflow(text, tools=TOOLS)
    except WorkflowInvalid as error:
        return [each.message for each in error.problems]
    return []


@pytest.mark.parametrize(
    ("state", "node"),
    [
        ("x: float", "a: {kind: human, ask: hi, returns: int, output: x}"),
        ("x: str", "a: {kind: human, ask: hi, returns: {type: enum, values: [p]}, output: x}"),
        ("x: {type: 'list[str]', reducer: append}", "a: {kind: human, ask: hi, output: x}"),
        (
            "x: {type: 'list[str]', reducer: append}",
            "a: {kind: human, ask: hi, returns: 'list[str]', output: x}",
        ),
        (
            "x: {type: 'list[str]', reducer: append}",
            "a: {kind: human, ask: hi, map: {over: '[1]', as: i}, output: x}",
        ),
        ("x: list[str]", "a: {kind: human, ask: hi, map: {over: '[1]', as: i}, output: x}"),
        (
            "x: {type: object, fields: {p: str, q: str}, reducer: merge}",
            "a: {kind: human, ask: hi, returns: {type: object, fields: {p: str}}, output: x}",
        ),
        ("x: any", "a: {kind: human, ask: hi, output: x}"),
        ("x: str", "a: {kind: python, call: 'textwrap:dedent', arguments: {text: p}, output: x}"),
        ("x: str", "a: {kind: python, call: 'builtins:dict', arguments: {any: p}}"),
    ],
)
def test_a_result_that_fits_is_not_refused(state: str, node: str) -> None:
    assert check(node, state=state) == []


@pytest.mark.parametrize(
    ("state", "node"),
    [
        (
            "x: {type: 'list[str]', reducer: append}",
            "a: {kind: human, ask: hi, returns: 'list[str]', map: {over: '[1]', as: i}, output: x}",
        ),
        (
            "x: {type: object, fields: {p: str}, reducer: merge}",
            "a: {kind: human, ask: hi, returns: {type: object, fields: {r: str}}, output: x}",
        ),
        (
            "x: {type: dict, reducer: merge}",
            "a: {kind: human, ask: hi, returns: dict, map: {over: '[1]', as: i}, output: x}",
        ),
        ("x: str", "a: {kind: human, ask: hi, returns: str?, output: x}"),
    ],
)
def test_a_result_that_does_not_fit_is_refused(state: str, node: str) -> None:
    (message,) = check(node, state=state)
    assert message.startswith("node 'a' gives ")


def test_what_a_loop_writes_may_be_read_at_its_head() -> None:
    nodes = "a: {kind: human, ask: '{state.x}'}\n  b: {kind: human, ask: hi, output: x}"
    edges = "- start -> b -> a\n  - {from: a, to: b, when: state.x == 'no', limit: 3}\n"
    edges += "  - {from: a, to: end, otherwise: true}"
    assert check(nodes, edges=edges) == []


def test_a_condition_may_read_what_its_node_wrote() -> None:
    nodes = "a: {kind: human, ask: hi, output: x}"
    edges = "- start -> a\n  - {from: a, to: end, when: state.x == 'no'}\n"
    edges += "  - {from: a, to: end, otherwise: true}"
    assert check(nodes, edges=edges) == []


def test_a_parallel_branch_cannot_be_counted_on() -> None:
    nodes = "a: {kind: human, ask: '{state.x}'}\n  b: {kind: human, ask: hi, output: x}"
    edges = "- {from: start, to: [a, b]}\n  - a -> end\n  - b -> end"
    assert check(nodes, edges=edges) == ["state.x is read before 'b' can have written it"]


def test_something_far_back_may_be_read() -> None:
    nodes = "a: {kind: human, ask: hi, output: x}\n  b: {kind: human, ask: hi}\n"
    nodes += "  c: {kind: human, ask: '{state.x}'}"
    assert check(nodes, output="'{state.x}'") == []


def test_a_module_that_fails_as_it_is_imported_is_told_like_any_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hf_raises.py").write_text("raise RuntimeError('no luck')\n")
    (tmp_path / "hf_exits.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    nodes = "a: {kind: python, call: 'hf_raises:f'}\n  b: {kind: python, call: 'hf_exits:f'}"
    assert check(nodes) == [
        "module 'hf_raises' cannot be imported: RuntimeError: no luck",
        "module 'hf_exits' cannot be imported: SystemExit: 3",
    ]


def test_without_a_catalogue_tools_are_not_checked() -> None:
    parse_workflow("name: w\nnodes:\n  a: {kind: tool, tool: anything}\n")


def test_a_broken_part_does_not_make_more_noise() -> None:
    state = "x: strin"
    nodes = "a: {kind: modl, output: x}\n  b: {kind: human, ask: 'hi {state.x}'}"
    assert check(nodes, state=state) == ["unknown type 'strin'", "unknown kind 'modl' of node 'a'"]


def test_a_node_of_an_unknown_kind_may_give_anything() -> None:
    node = "a: {kind: modl, output: x}\n  b: {kind: human, ask: '{state.x}'}"
    assert check(node, state="x: int") == ["unknown kind 'modl' of node 'a'"]


def test_an_argument_is_checked_as_deep_as_it_goes() -> None:
    target = Type(kind="object", fields={"a": parse_type("list[int]"), "b": STR})
    types = {"state": Type(kind="object", fields={"x": STR})}
    argument = parse_argument({"a": [1, "{state.x}", "n {state.x}"], "c": 1})
    assert list(argument_problems(argument, target, types, ("p",))) == [
        (("p", "a", 1), "must be int, not str"),
        (("p", "a", 2), "must be int, not str"),
        (("p",), "has an unknown member 'c'"),
        (("p",), "needs member 'b'"),
    ]
