"""From a file to a workflow: what YAML means here, and how broken files are told."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.agents import positions
from holdfast.agents.inputs import check_inputs
from holdfast.agents.load import load_workflow, parse_workflow
from holdfast.agents.problems import Problem, WorkflowInvalid
from holdfast.agents.schema import json_schema_of_workflow
from holdfast.agents.types import describe
from holdfast.agents.workflow import HumanNode, ModelNode, ToolNode, Workflow
from holdfast.errors import InputError, WorkflowError
from tests.agents.catalogue import BRIEF, TOOLS

SMALL = "nodes:\n  a: {kind: human, ask: hi}\n"


def problems_of(text: str) -> list[str]:
    with pytest.raises(WorkflowInvalid) as caught:
        parse_workflow(text, path="w.yaml", tools=TOOLS)
    return [str(each).removeprefix("w.yaml:") for each in caught.value.problems]


def brief() -> Workflow:
    return parse_workflow(BRIEF, tools=TOOLS)


def test_a_whole_workflow_is_read() -> None:
    workflow = brief()
    assert list(workflow.nodes) == ["read", "summarise", "draft", "check", "approve"]
    assert (workflow.name, workflow.version, workflow.timeout) == ("brief", "1", 600)
    assert workflow.digest == hashlib.sha256(BRIEF.encode()).hexdigest()
    assert [(e.source, e.target, e.limit, e.otherwise) for e in workflow.edges[3:]] == [
        ("draft", "approve", None, False),
        ("draft", "check", None, False),
        ("check", "end", None, False),
        ("approve", "draft", 3, False),
        ("approve", "end", None, True),
    ]


def test_the_slower_yaml_library_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = brief()
    monkeypatch.setattr(positions, "_LOADER", yaml.SafeLoader)
    assert brief() == quick


def test_a_node_has_what_its_file_says_and_the_defaults_of_its_kind() -> None:
    nodes = brief().nodes
    read, summarise, approve = nodes["read"], nodes["summarise"], nodes["approve"]
    assert isinstance(read, ToolNode)
    assert isinstance(summarise, ModelNode)
    assert isinstance(approve, HumanNode)
    assert describe(read.returns) == "list[str]"
    assert read.retry.attempts == 1
    assert (summarise.retry.attempts, summarise.retry.wait, summarise.timeout) == (3, 0.5, 30)
    assert summarise.map is not None
    assert (summarise.map.name, summarise.map.concurrency) == ("document", 8)
    assert describe(approve.returns) == "enum[yes, no]"


def test_a_model_that_runs_once_is_not_tried_again() -> None:
    text = "name: w\nnodes:\n  a: {kind: model, prompt: x, once: true}\n"
    assert parse_workflow(text).nodes["a"].retry.attempts == 1


def test_state_that_is_joined_into_begins_empty_and_nullable_fields_begin_as_null() -> None:
    workflow = brief()
    assert workflow.state["summaries"].default == []
    assert workflow.state["summaries"].has_default
    assert (workflow.inputs["hint"].default, workflow.inputs["hint"].has_default) == (None, True)
    assert not workflow.state["draft"].has_default


def test_without_edges_the_nodes_run_in_the_order_written() -> None:
    workflow = parse_workflow(
        "name: w\nnodes:\n  b: {kind: human, ask: x}\n  a: {kind: human, ask: y}\n"
    )
    assert [(e.source, e.target) for e in workflow.edges] == [
        ("start", "b"),
        ("b", "a"),
        ("a", "end"),
    ]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("NO", "NO"),
        ("true", True),
        ("~", None),
        ("", None),
        ("12:30:00", "12:30:00"),
        ("2024-01-02", "2024-01-02"),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("9" * 400, "9" * 400),
    ],
)
def test_scalars_are_those_of_yaml_1_2(scalar: str, value: object) -> None:
    text = f"name: w\nstate:\n  x: {{type: any, default: {scalar} }}\n{SMALL}"
    found = parse_workflow(text).state["x"].default
    assert (found, type(found)) == (value, type(value))


def test_an_alias_repeats_what_was_named() -> None:
    text = "name: w\nnodes:\n  a: {kind: model, prompt: x, retry: &r {attempts: 7}}\n"
    text += "  b: {kind: model, prompt: x, retry: *r}\n"
    assert parse_workflow(text).nodes["b"].retry.attempts == 7


def test_a_problem_in_an_alias_is_told_where_it_stands() -> None:
    text = "name: w\nnodes:\n  a: {kind: model, prompt: x, retry: &r {attempts: 0}}\n"
    text += "  b: {kind: model, prompt: x, retry: *r}\n"
    assert [each.split(" must")[0] for each in problems_of(text)] == [
        "3:52: 'attempts' of 'retry' of node 'a'",
        "4:31: 'attempts' of 'retry' of node 'b'",
    ]


def test_a_billion_laughs_are_refused_at_once() -> None:
    lines = ["name: w", "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert problems_of("\n".join(lines)) == ["6:35: aliases repeat more than 50000 values"]


def test_a_value_cannot_hold_itself() -> None:
    assert problems_of("name: &a [*a]\n") == [
        "1:11: '*a' stands for nothing that was named before it"
    ]


def test_a_deep_nest_is_refused_without_recursion() -> None:
    assert problems_of("name: " + "[" * 100_000)[0].endswith("values are nested more than 40 deep")


def test_a_control_character_is_told_with_its_place() -> None:
    assert problems_of("name: w\nwörld\x07\n") == [
        "2:6: the file holds a control character (U+0007) (remove it)"
    ]


@pytest.mark.promise("checked-before-run")
def test_every_fault_of_a_file_is_told_at_once() -> None:
    text = """\
name: my flow
version: 2
inputs:
  folder: string
state:
  draft: {type: str, reducer: append}
  draft: str
nodes:
  read: {kind: tool, tool: read_file, output: documents}
  write:
    kind: model
    promt: "about {inputs.foldr}"
    output: drat
  check: {kind: pyton}
edges:
  - start -> read -> write
  - {from: write, to: check, when: "state.draft = 1"}
  - {from: write, to: ned, otherwise: true}
output: "{state.brief}"
"""
    assert [each.split(":", 2)[0] for each in problems_of(text)] == [
        *("1", "2", "4", "6", "7", "9", "9", "12", "12", "13", "14", "17", "18", "19")
    ]


def test_a_misspelt_field_is_still_checked_under_its_right_name() -> None:
    text = "name: w\nnodes:\n  a: {kind: model, promt: 'about {state.x}'}\n"
    assert problems_of(text) == [
        "3:20: unknown field 'promt' (did you mean 'prompt'?)",
        "3:27: {state.x}: there is no state field 'x'",
    ]


def test_problems_are_records_too() -> None:
    with pytest.raises(WorkflowInvalid) as caught:
        parse_workflow("name: w\nnodes:\n  a: {kind: modl}\n", path="w.yaml")
    (problem,) = caught.value.problems
    assert (problem.path, problem.line, problem.column) == ("w.yaml", 3, 13)
    assert (problem.message, problem.suggestion) == (
        "unknown kind 'modl' of node 'a'",
        "did you mean 'model'?",
    )
    assert caught.value.exit_code == 2


def test_a_file_is_read_and_its_folder_is_where_modules_are(tmp_path: Path) -> None:
    (tmp_path / "hf_beside_the_file.py").write_text("def f(n: int) -> int:\n    return n\n")
    file = tmp_path / "w.yaml"
    file.write_text(
        "\ufeffname: w\r\nnodes:\r\n  a: {kind: python, call: 'hf_beside_the_file:f', arguments: {n: 1}}\r\n"
    )
    assert load_workflow(file).name == "w"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: w\nversion: \xff\n", ":2:10: the file is not UTF-8 text (save it as UTF-8)"),
        ("name: w".encode("utf-16"), ":1:1: the file is not UTF-8 text (save it as UTF-8)"),
        (b"", ":1:1: the file is empty (a workflow has at least a name and nodes)"),
        (b"#" * (4 * 1024 * 1024 + 1), "' is larger than 4 MiB"),
    ],
)
def test_a_file_that_is_no_text_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "w.yaml"
    file.write_bytes(content)
    with pytest.raises(WorkflowError) as caught:
        load_workflow(file)
    assert caught.value.message.endswith(message)


def test_a_folder_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match="is a folder"):
        load_workflow(tmp_path)
    with pytest.raises(WorkflowError, match="there is no file"):
        load_workflow(tmp_path / "w.yaml")
    with pytest.raises(WorkflowError, match="cannot read"):
        load_workflow(tmp_path / ("w" * 300))


@given(st.text(max_size=60) | st.text(alphabet="a: -{}[]&*!|>'\"#\n\t", max_size=60))
def test_any_text_is_a_workflow_or_a_workflow_error(text: str) -> None:
    with pytest.raises(WorkflowInvalid) as caught:
        parse_workflow(text)
    assert caught.value.problems


PIECES = ["5", "null", "[]", "{}", "a", "yes", "'x'", "{state.x}", "->", ":", "kind:", "*a", "[a]"]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The brief with some lines removed, repeated, moved, or with a piece put over another."""
    lines = BRIEF.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "twice", "indent", "swap", "write"])):
            case "drop":
                del lines[at]
            case "twice":
                lines.insert(at, lines[at])
            case "indent":
                lines[at] = "  " + lines[at]
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                piece = draw(st.sampled_from(PIECES))
                head, colon, _ = lines[at].partition(":")
                lines[at] = f"{head}{colon} {piece}"
    return "\n".join(lines)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_any_damage_to_a_file_is_a_workflow_or_a_workflow_error(text: str) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        parse_workflow(text, tools=TOOLS)
    except WorkflowInvalid as error:
        problems = error.problems
    for each in problems:
        assert 1 <= each.line <= len(text.splitlines()) + 1
        assert "something else" not in each.message


def test_the_schema_for_editors_is_complete() -> None:
    schema = json_schema_of_workflow()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "Holdfast workflow"
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    models: list[dict[str, dict[str, dict[str, object]]]] = [schema, *definitions.values()]  # type: ignore[list-item]
    for model in models:
        for name, field in model["properties"].items():
            assert field.get("description"), name
    assert definitions["EdgeSpec"]["required"] == ["from", "to"]


def test_inputs_are_filled_in_and_kept_in_order() -> None:
    assert check_inputs(brief(), {"short": "s", "folder": "."}) == {
        "folder": ".",
        "audience": "engineers",
        "level": "low",
        "short": "s",
        "hint": None,
    }


def test_all_wrong_inputs_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        check_inputs(brief(), {"foldr": ".", "level": "mid", "audience": 3})
    assert caught.value.message.splitlines() == [
        "unknown input 'foldr' (did you mean 'folder'?)",
        "input 'folder' is missing (str)",
        "input audience must be str, not int",
        "input level must be one of 'low', 'high', not 'mid'",
        "input 'short' is missing (str)",
    ]


def test_a_default_is_a_new_value_in_every_run() -> None:
    workflow = parse_workflow(f"name: w\ninputs:\n  xs: {{type: list, default: []}}\n{SMALL}")
    first, second = check_inputs(workflow, {}), check_inputs(workflow, {})
    assert first == second
    assert first["xs"] is not second["xs"]
