"""`holdfast validate`: check a workflow file without running it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from holdfast.agents.load import load_workflow
from holdfast.agents.problems import WorkflowInvalid
from holdfast.agents.tools import SIGNATURES
from holdfast.agents.types import describe
from holdfast.cli.output import Output, count


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("file", metavar="FILE", type=Path, help="the workflow file")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print that the file is sound, or every problem it has."""
    try:
        workflow = load_workflow(arguments.file, tools=SIGNATURES)
    except WorkflowInvalid as error:
        if not output.as_json:
            raise
        output.data({"valid": False, "problems": [asdict(each) for each in error.problems]})
        return error.exit_code
    output.data({"valid": True, "name": workflow.name, "nodes": list(workflow.nodes)})
    output.line(
        f"{arguments.file} is sound: {workflow.name!r}, {count(len(workflow.nodes), 'node')}"
    )
    for field in workflow.inputs.values():
        default = f", default {json.dumps(field.default, ensure_ascii=False)}"
        default = default if field.has_default else ", must be given"
        output.line(f"  input {field.name}: {describe(field.type)}{default}")
    return 0
