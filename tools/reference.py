"""Write the reference pages of the documentation from the code, or check that they are fresh.

`python -m tools.reference` writes `docs/reference/*.md`; with `--check` it writes nothing and exits 1
when a page is not what the code says. Nothing here is told twice: options come from the parsers,
fields from the schema, errors and events from their docstrings. Only the meaning of a setting is
written in this file, and a setting without one stops the run.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast import errors
from holdfast.agents import expressions, templates, types
from holdfast.agents.problems import WorkflowInvalid
from holdfast.agents.schema import json_schema_of_workflow
from holdfast.agents.tools import TOOLS, files, http
from holdfast.agents.types import describe
from holdfast.cli import main as cli
from holdfast.errors import HoldfastError
from tools.reference_settings import settings_page
from tools.reference_storage import storage_page
from tools.reference_text import code, docstring, first_sentence, table

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTICE = "<!-- Written by `./dev docs` from the code: change the code, not this page. -->"


def cli_page() -> str:
    """Return the page of the commands and their options."""
    parts = [
        "# The command line",
        (
            "`holdfast COMMAND …`, or `python -m holdfast COMMAND …`. `holdfast COMMAND --help` shows the "
            "same as this page. Options stand after the command."
        ),
        (
            "Results go to standard output; progress, notes and errors go to standard error. With "
            "`--json` a command prints one JSON document to standard output and shows no progress. An "
            'error is then `{"error": {"type", "message", "hint"}}`, also on standard output. What Python '
            "functions print goes to standard error. "
            "[Exit codes](exit-codes.md) tell how it went."
        ),
        "An ID may be shortened to any beginning that only one run has.",
        "## Common options",
        _options_table(_common_actions()),
    ]
    for name, summary in cli.COMMANDS.items():
        parser = command_parser(name)
        parts += [f"## holdfast {name}", summary[0].upper() + summary[1:] + "."]
        parts += _command_parts(parser)
        for action, inner in _actions_of(parser).items():
            parts += [f"### holdfast {name} {action}", str(inner.description)]
            parts += _command_parts(inner)
    return _page(parts)


def _command_parts(parser: argparse.ArgumentParser) -> list[str]:
    parts = [_usage(parser)]
    if own := [each for each in parser._actions if not _is_common(each)]:  # noqa: SLF001
        parts.append(_options_table(own))
    if parser.epilog:
        parts.append(f"```text\n{parser.epilog}\n```")
    return parts


def _actions_of(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """Return the parsers of the actions that a command has, by name."""
    for each in parser._actions:  # noqa: SLF001 - the parsers are what is documented
        if isinstance(each, argparse._SubParsersAction):  # noqa: SLF001
            return each.choices
    return {}


def command_parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of one command."""
    parser = cli._build_parser(name)  # noqa: SLF001 - the parsers are what is documented
    commands = next(
        each
        for each in parser._actions  # noqa: SLF001
        if isinstance(each, argparse._SubParsersAction)  # noqa: SLF001
    )
    return commands.choices[name]


def _common_actions() -> list[argparse.Action]:
    parser = command_parser(next(iter(cli.COMMANDS)))
    return [each for each in parser._actions if _is_common(each)]  # noqa: SLF001


def _is_common(action: argparse.Action) -> bool:
    return bool({"--help", "--json", "--debug", "--store"} & set(action.option_strings))


def _usage(parser: argparse.ArgumentParser) -> str:
    words = [parser.prog]
    for action in parser._actions:  # noqa: SLF001
        if not _is_common(action):
            spelt = _spelling(action)[-1]
            words.append(spelt if _is_required(action) else f"[{spelt}]")
    return f"```text\n{' '.join(words)}\n```"


def _is_required(action: argparse.Action) -> bool:
    return action.required if action.option_strings else action.nargs != "?"


def _spelling(action: argparse.Action) -> list[str]:
    """Return how an argument is written, its long form last."""
    value = action.metavar or action.dest.upper()
    if action.choices and not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
        value = "{" + ",".join(action.choices) + "}"
    if not action.option_strings:
        return [str(value)]
    tail = "" if action.nargs == 0 else f" {value}"
    return [each + tail for each in sorted(action.option_strings, key=len)]


def _options_table(actions: Sequence[argparse.Action]) -> str:
    rows = [
        (", ".join(map(code, _spelling(each))), (each.help or "").replace("%%", "%"))
        for each in actions
    ]
    return table(("argument", "meaning"), rows)


def workflow_page() -> str:
    """Return the page of the workflow file."""
    schema: dict[str, Any] = json_schema_of_workflow()
    kinds: dict[str, Any] = schema["$defs"]
    common = _members(kinds["HumanSpec"]) - {"kind", "ask"}
    parts = [
        "# The workflow file",
        (
            "A workflow is one YAML file in UTF-8. An unknown key is an error. Only `true` and `false` are "
            "booleans: `yes`, `no` and `on` are text. A type with brackets needs quotes inside braces: "
            '`{type: "list[str]"}`. `holdfast schema` prints the JSON Schema of this page for editors.'
        ),
        "## The file",
        _fields_table(schema),
        "## A type",
        docstring(types).split("\n\n", 1)[1],
        (
            "Where a type is asked for, its name will do, such as `summary: str`. What does not fit in a "
            "name is written out:"
        ),
        _fields_table(kinds["TypeSpec"]),
        "## An input",
        "A type, and:",
        _fields_table(kinds["InputSpec"], without=_members(kinds["TypeSpec"])),
        "## A state field",
        "A type, and:",
        _fields_table(kinds["StateSpec"], without=_members(kinds["TypeSpec"])),
        "## What every node may say",
        _fields_table(kinds["HumanSpec"], without={"kind", "ask"}),
        (
            "`returns` is `str` for models and people, what the tool gives for tools, and `any` for Python "
            "functions unless it is given."
        ),
    ]
    for name in ("ModelSpec", "ToolSpec", "PythonSpec", "HumanSpec"):
        kind = kinds[name]["properties"]["kind"]["const"]
        parts += [f"## A {kind} node", kinds[name]["description"]]
        parts.append(_fields_table(kinds[name], without=common))
    for title, name in (("map", "MapSpec"), ("retry", "RetrySpec"), ("An edge", "EdgeSpec")):
        parts += [f"## {title}", kinds[name]["description"], _fields_table(kinds[name])]
    parts += ["## Templates", docstring(templates), ("References begin with `inputs`, `state`, `run` "
              "(`{run.id}`) or, under a `map`, the name of the item. A value that is not text is filled "
              "in as JSON; an argument that is exactly one reference gets the value itself.")]  # fmt: skip
    parts += ["## Expressions", docstring(expressions), ("`and`, `or`, `not`, comparisons, `in`, `+ - *`, "
              "`len()`, lists, text, numbers, `true`, `false` and `null`. Names stand without braces.")]  # fmt: skip
    return _page(parts)


def _members(schema: Mapping[str, Any]) -> set[str]:
    return set(schema["properties"])


def _fields_table(
    schema: Mapping[str, Any], *, without: set[str] | frozenset[str] = frozenset()
) -> str:
    required = schema.get("required", ())
    rows = [
        (
            code(name),
            _type_of(field),
            _default_of(name, field, required),
            field.get("description", ""),
        )
        for name, field in schema["properties"].items()
        if name not in without
    ]
    return table(("key", "value", "default", "meaning"), rows)


def _default_of(name: str, field: Mapping[str, Any], required: Sequence[str]) -> str:
    if name in required:
        return "must be given"
    default = field.get("default")
    return "" if default in (None, "") else code(str(default).lower())


_PLAIN = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`",
    "array": "list", "object": "names and values",
}  # fmt: skip
_NAMES = {
    "TypeSpec": "type", "InputSpec": "input", "StateSpec": "state field", "MapSpec": "map",
    "RetrySpec": "retry", "EdgeSpec": "edge",
}  # fmt: skip


def _type_of(schema: Mapping[str, Any]) -> str:
    """Say in words what a part of the schema takes."""
    for key in ("anyOf", "oneOf"):
        if key in schema:
            every = [each for each in schema[key] if each.get("type") != "null"]
            return " or ".join(dict.fromkeys(map(_type_of, every)))
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _NAMES.get(name, "node")
    if "const" in schema or "enum" in schema:
        return " or ".join(code(each) for each in schema.get("enum", [schema.get("const")]))
    kind = _PLAIN.get(schema.get("type", ""), "anything")
    inner = schema.get("items") or schema.get("additionalProperties")
    if isinstance(inner, Mapping) and inner:
        return f"{'list' if kind == 'list' else 'names'}: {_type_of(inner)}"
    return kind + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    return "" if least is None else f", {least} to {most}"


def errors_page() -> str:
    """Return the page of the errors."""
    tree = docstring(errors).partition("\n\n")[2]
    rows = [
        (
            code(each.__name__),
            code(each.__mro__[1].__name__),
            str(each.exit_code),
            first_sentence(each),
        )
        for each in all_errors()
    ]
    return _page(
        [
            "# Errors",
            (
                "What goes wrong in Holdfast is one of these. The Python classes stand in `holdfast.errors` "
                "(`WorkflowInvalid` in `holdfast.agents.problems`); the command line prints the message "
                "and below it the hint, and leaves with the exit code. With `--debug` it shows the "
                "traceback too."
            ),
            tree,
            table(("error", "is a", "exit code", "meaning"), rows),
        ]
    )


def all_errors() -> list[type[HoldfastError]]:
    """Return every error class, each before those below it."""
    assert issubclass(WorkflowInvalid, HoldfastError)  # imported, so that the tree is whole

    def below(kind: type[HoldfastError]) -> Iterator[type[HoldfastError]]:
        yield kind
        for each in kind.__subclasses__():
            if each.__module__.startswith("holdfast."):
                yield from below(each)

    return list(below(HoldfastError))


def exit_codes_page() -> str:
    """Return the page of the exit codes."""
    rows = []
    for line in cli.EXIT_CODES.splitlines()[1:]:
        number, _, meaning = line.strip().partition(" ")
        kinds = [code(each.__name__) for each in all_errors() if str(each.exit_code) == number]
        rows.append((number, meaning.strip(), ", ".join(kinds)))
    return _page(
        [
            "# Exit codes",
            table(("code", "meaning", "errors"), rows),
            (
                "`run`, `resume` and `answer` leave with how the run stands: a run that failed because of "
                "one of the errors above leaves with the code of that error. `resume` without an ID leaves "
                "with the highest code of the runs it went on with, or with 2 if it left some alone. "
                "`answer --no-resume` leaves with 0 once the answer is noted."
            ),
        ]
    )


def tools_page() -> str:
    """Return the page of the tools."""
    parts = [
        "# Tools",
        (
            "What a node of kind `tool` may name. Paths are relative to the project's folder (the one of "
            "`holdfast.toml`, or else the working directory). A tool touches nothing outside the folders and "
            "hosts that the [settings](settings.md) allow, whatever its arguments say: see [Let tools read "
            "elsewhere](../how-to/let-tools-read-elsewhere.md)."
        ),
    ]
    for name, tool in TOOLS.items():
        signature = tool.signature
        rows = [
            (code(field.name), code(describe(field.type)),
             code(json.dumps(field.default)) if field.has_default else "must be given",
             field.description)
            for field in signature.parameters.values()
        ]  # fmt: skip
        parts += [f"## {name}", signature.description]
        parts += [table(("argument", "type", "default", "meaning"), rows)]
        parts += [f"It gives `{describe(signature.returns)}`."]
    parts += [
        "## Limits",
        (
            f"One call of `read_files` returns at most {files.MAX_BYTES >> 20} MiB; files that are not UTF-8, "
            "hidden files and hidden folders are left out. "
            f"`http_get` reads at most {http.MAX_BYTES >> 20} MiB, follows at most {http.MAX_REDIRECTS} "
            f"redirects and gives up after {http.TIMEOUT_SECONDS:g} seconds; an answer of 400 or above "
            "fails the step."
        ),
    ]
    return _page(parts)


def _page(parts: Sequence[str]) -> str:
    return "\n\n".join([NOTICE, *parts]) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "workflow.md": workflow_page,
    "settings.md": lambda: _page(settings_page()),
    "errors.md": errors_page,
    "tools.md": tools_page,
    "exit-codes.md": exit_codes_page,
    "storage.md": lambda: _page(storage_page()),
}


def stale_pages(folder: Path = FOLDER) -> list[str]:
    """Return the names of the pages that are not what the code says."""
    return [name for name, page in PAGES.items() if _content(folder / name) != page()]


def _content(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with `--check` name those that are stale; return the exit code."""
    if "--check" in arguments:
        stale = stale_pages()
        for name in stale:
            print(f"docs/reference/{name} is stale: run ./dev docs")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
