"""What a command says to somebody who mistypes it, or whose files and disks are not as they should be."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from holdfast.agents.load import parse_workflow
from holdfast.cli.main import main
from holdfast.cli.run import read_inputs
from holdfast.errors import InputError

ECHO = "name: echo\ninputs: {text: str}\nnodes:\n  a: {kind: human, ask: '{inputs.text}'}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("lst", "list"),
        ("trace lst", "list"),
        ("store verfy", "verify"),
        ("list --state workin", "working"),
    ],
)
def test_a_word_that_is_mistyped_is_suggested(
    words: str, meant: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert capfd.readouterr().err.endswith(f"\n  did you mean '{meant}'?\n")
    assert main([*words.split(), "--json"]) == 2
    hint = json.loads(capfd.readouterr().out)["error"]["hint"]
    assert hint.startswith(f"did you mean '{meant}'? usage: holdfast ")


@pytest.mark.parametrize("verb", ["list", "task list", "store verify", "wallet balance"])
def test_what_a_verb_does_not_take_is_told_with_its_usage(
    verb: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*verb.split(), "--limt", "3"]) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"usage: holdfast {verb} [-h]")
    assert f"holdfast {verb}: error: unrecognized arguments: --limt" in said


@pytest.mark.parametrize(
    "words",
    [
        "task start abc", "task note abc x", "task set abc a=1", "task depend abc def",
        "task complete abc", "task claim --next", "task block abc x", "task update abc --name x",
        "session switch x", "session note x", "session end",
        "memory supersede x y", "memory forget x", "memory repair", "task repair",
        "session repair",
    ],
)  # fmt: skip
def test_what_changes_only_what_is_there_makes_no_store(words: str, folder: Path) -> None:
    code = main(words.split())
    assert code == (1 if "--next" in words else 0 if "repair" in words else 2)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("words", ["list", "list --json", "schema", "show abc --json"])
def test_an_output_that_has_no_room_is_no_fault_and_no_success(
    words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full, redirect_stdout(full):
        code = main(words.split())
    said = capfd.readouterr().err
    assert code == (2 if "show" in words else 1)
    assert "fault" not in said
    assert words.startswith("show") or said.startswith("error: the output cannot be written: No sp")


def test_an_input_is_the_text_of_its_file_without_the_mark_that_some_editors_put_first(
    folder: Path,
) -> None:
    (folder / "kelp.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    (folder / "kelp.json").write_bytes(b'\xef\xbb\xbf{"text": "kelp"}')
    workflow = parse_workflow(ECHO)
    assert read_inputs(workflow, None, ["text=@kelp.txt"]) == {"text": "one\ntwo\n"}
    assert read_inputs(workflow, "kelp.json", []) == {"text": "kelp"}


def test_a_file_of_inputs_that_cannot_be_read_is_told_in_words(folder: Path) -> None:
    (folder / "program").write_bytes(b"\x7fELF\xff")
    workflow = parse_workflow(ECHO)
    for pairs, file, said in (
        (["text=@program"], None, "cannot read 'program': it is not UTF-8 text"),
        (["text=@nowhere"], None, "cannot read 'nowhere': No such file or directory"),
        (["text=@."], None, "cannot read '.': Is a directory"),
        ([], "program", "cannot read the inputs from 'program': it is not UTF-8 text"),
    ):
        with pytest.raises(InputError) as caught:
            read_inputs(workflow, file, pairs)
        assert caught.value.message.endswith(said)
        assert caught.value.hint


def test_what_init_suggests_can_be_typed_also_for_a_name_with_a_space(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main(["init", "my kelp"]) == 0
    assert "next: cd 'my kelp' && holdfast run" in capfd.readouterr().out


@pytest.mark.parametrize("relation", ["blocks", "parent"])
def test_the_way_out_of_a_circle_can_be_typed(
    relation: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ids: list[str] = []
    for name in "abc":
        assert main(["task", "create", name, "--json"]) == 0
        ids.append(json.loads(capfd.readouterr().out)["id"])
    one, two, three = ids
    for task, on in ((one, two), (two, three)):
        assert main(["task", "depend", task, on, "--as", relation]) == 0
    assert main(["task", "depend", three, one, "--as", relation]) == 2
    command = capfd.readouterr().err.partition("`holdfast ")[2].partition("`")[0]
    assert main(command.split()) == 0
    assert main(["task", "depend", three, one, "--as", relation]) == 0


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize("command", ["", "merge", "schema"])
def test_help_fits_its_terminal_and_says_all(
    command: str, columns: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def told() -> str:
        with pytest.raises(SystemExit):
            main([*command.split(), "--help"])
        return capfd.readouterr().out

    monkeypatch.setenv("COLUMNS", "300")
    whole = told()
    monkeypatch.setenv("COLUMNS", str(columns))
    said = told()
    assert max(map(len, said.splitlines())) <= columns, said
    assert said.split() == whole.split()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("task claim", "holdfast task ready"),
        ("run echo.yaml --input text", "text=@FILE"),
        ("store verify", "nothing was kept yet"),
        ("store export", "nothing was kept yet"),
        ("store verify --store sqlite:x.db", "nothing was kept yet"),
    ],
)
def test_a_command_that_cannot_go_on_says_what_could_be_typed(
    words: str, hint: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "echo.yaml").write_text(ECHO, encoding="utf-8")
    assert main(words.split()) in (2, 4)
    assert hint in capfd.readouterr().err


def test_requests_take_a_limit_as_other_lists_do() -> None:
    assert main(["route", "requests", "--limit", "3"]) == 0


@pytest.mark.parametrize(
    "words",
    [
        ("task", "create", ""),
        ("task", "create", "a part", "--parent", "ab12"),
        ("session", "start", ""),
        ("memory", "write", ""),
        ("store", "import", "nowhere.jsonl"),
    ],
)
def test_a_command_that_fails_makes_no_store(project, words):
    before = set(project.folder.iterdir())
    for store in ("files:kept", "sqlite:kept.db"):
        assert project.run(*words, "--store", store).code == 2
        assert set(project.folder.iterdir()) == before
