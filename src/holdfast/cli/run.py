"""`holdfast run`: run a workflow file."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import cast

from holdfast.agents.inputs import check_inputs
from holdfast.agents.load import load_workflow
from holdfast.agents.problems import did_you_mean
from holdfast.agents.tools import SIGNATURES
from holdfast.agents.types import coerce_text
from holdfast.agents.workflow import Workflow
from holdfast.app.runtime import Runtime, open_runtime
from holdfast.app.services import needs_of
from holdfast.cli.driving import drive
from holdfast.cli.keys import warn_of_keys
from holdfast.cli.options import add_quiet
from holdfast.cli.output import Output
from holdfast.cli.progress import progress_display
from holdfast.cli.report import report
from holdfast.cli.settings import settings_of
from holdfast.engine.history import History
from holdfast.errors import InputError, UsageError
from holdfast.routing.seam import OFFLINE_EXTRACT


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("file", metavar="FILE", type=Path, help="the workflow file")
    parser.add_argument(
        "--input", "-i", action="append", default=[], metavar="NAME=VALUE",
        help="one input; VALUE may be @FILE for the text of a file; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--inputs", metavar="FILE", help="a JSON file with inputs, or - for standard input"
    )
    add_quiet(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Run the workflow until it ends or waits for an answer."""
    settings = settings_of(arguments, output)
    workflow = load_workflow(arguments.file, tools=SIGNATURES)
    given = read_inputs(workflow, arguments.inputs, arguments.input)
    inputs = check_inputs(workflow, given)
    needs = needs_of(settings, workflow)
    warn_of_keys(needs.providers, output)
    _warn_of_extraction(needs.models, output)

    async def work(runtime: Runtime) -> History:
        origin = str(arguments.file.resolve())
        run_id = await runtime.start_workflow(workflow, inputs, origin=origin)
        output.run_id = run_id
        output.note(f"run {run_id}")
        return await runtime.engine.settle(run_id)

    with progress_display(output, quiet=arguments.quiet) as observer:
        history = asyncio.run(drive(open_runtime(settings, observer=observer), work))
    return report(history, output)


def read_inputs(workflow: Workflow, file: str | None, pairs: list[str]) -> dict[str, object]:
    """Return the inputs that were given, those of `--input` over those of `--inputs`.

    Raises:
        InputError: something is not JSON, or does not fit the type of its input.
        UsageError: a pair is not NAME=VALUE.
    """
    inputs = _from_json(file) if file else {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(
                f"--input {pair!r} is not NAME=VALUE",
                hint="write for instance text=words, or text=@FILE for the text of a file",
            )
        if name not in workflow.inputs:
            known = ", ".join(workflow.inputs) or "none"
            raise InputError(
                f"unknown input {name!r}",
                hint=did_you_mean(name, workflow.inputs) or f"the inputs are: {known}",
            )
        try:
            inputs[name] = coerce_text(workflow.inputs[name].type, _text(text))
        except InputError as error:
            raise InputError(f"input {name!r}: {error.message}", hint=error.hint) from error
    return inputs


def _from_json(file: str) -> dict[str, object]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        hint = "--inputs names a file of JSON; - is standard input"
        raise _unreadable(f"the inputs from {file!r}", error, hint) from error
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"the inputs in {file!r} are not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"the inputs in {file!r} are not a JSON object", hint='write {"name": …}')
    return cast("dict[str, object]", value)


def _text(text: str) -> str:
    if text.startswith("@@"):
        return text[1:]
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        hint = "@ stands before the name of a file; write @@ for a plain @"
        raise _unreadable(repr(text[1:]), error, hint) from error


def _unreadable(what: str, error: OSError | UnicodeDecodeError, hint: str) -> InputError:
    if isinstance(error, UnicodeDecodeError):
        return InputError(f"cannot read {what}: it is not UTF-8 text", hint="save it as UTF-8")
    return InputError(f"cannot read {what}: {error.strerror}", hint=hint)


def _warn_of_extraction(models: set[str], output: Output) -> None:
    if OFFLINE_EXTRACT in models:
        output.note(
            "note: offline/extract picks out sentences and key phrases; it is not a language model. "
            "Configure a provider in holdfast.toml to use one."
        )
