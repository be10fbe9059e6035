"""The reference pages say what the code says, and leave nothing out."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.agents.schema import json_schema_of_workflow
from holdfast.agents.tools import TOOLS
from holdfast.cli.main import COMMANDS, EXIT_CODES
from holdfast.tasks.state import TaskState
from tests.docs.console import ROOT
from tools import reference
from tools.reference_settings import setting_keys
from tools.reference_storage import all_events

REFERENCE = ROOT / "docs" / "reference"


def read(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def rows(name: str) -> set[str]:
    """Return the first cell of every row of the tables of a page."""
    lines = [line for line in read(name).splitlines() if line.startswith("| ")]
    return {line.removeprefix("| ").partition(" | ")[0].strip("`") for line in lines}


def test_the_pages_are_fresh() -> None:
    assert reference.stale_pages() == []
    assert reference.main(["--check"]) == 0


def test_a_page_that_was_changed_by_hand_is_stale(tmp_path: Path) -> None:
    for name in reference.PAGES:
        (tmp_path / name).write_text(read(name), encoding="utf-8")
    (tmp_path / "cli.md").write_text(read("cli.md") + "More.\n", encoding="utf-8")
    (tmp_path / "tools.md").unlink()
    assert reference.stale_pages(tmp_path) == ["cli.md", "tools.md"]


def test_no_page_of_another_name_lies_among_the_generated_ones() -> None:
    assert {path.name for path in REFERENCE.iterdir()} == set(reference.PAGES)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_an_entry_with_all_its_options(name: str) -> None:
    _, _, after = read("cli.md").partition(f"## holdfast {name}\n")
    section = after.partition("\n## ")[0]
    assert section
    common = read("cli.md").partition("\n## holdfast")[0]
    for action in reference.command_parser(name)._actions:
        for spelt in action.option_strings or [str(action.metavar)]:
            assert spelt in section or spelt in common


def test_every_error_has_an_entry() -> None:
    assert {each.__name__ for each in reference.all_errors()} <= rows("errors.md")


def test_every_exit_code_has_an_entry() -> None:
    codes = {line.split()[0] for line in EXIT_CODES.splitlines()[1:]}
    assert codes <= rows("exit-codes.md")
    assert {str(each.exit_code) for each in reference.all_errors()} <= codes


def test_every_setting_has_an_entry() -> None:
    assert setting_keys()
    assert set(setting_keys()) <= rows("settings.md")


def test_every_key_of_a_workflow_file_has_an_entry() -> None:
    schema = json_schema_of_workflow()
    parts = [schema, *schema["$defs"].values()]  # type: ignore[attr-defined]
    keys = {name for part in parts for name in part["properties"]}
    assert keys <= rows("workflow.md")


def test_every_tool_and_its_arguments_have_an_entry() -> None:
    for name, tool in TOOLS.items():
        assert f"## {name}\n" in read("tools.md")
        assert set(tool.signature.parameters) <= rows("tools.md")


def test_every_event_and_state_has_an_entry() -> None:
    assert {kind.kind for kind in all_events()} | set(TaskState) <= rows("storage.md")
