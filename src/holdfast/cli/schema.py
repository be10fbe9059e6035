"""`holdfast schema`: the JSON Schema of workflow files."""

from __future__ import annotations

import argparse

from holdfast.agents.schema import json_schema_of_workflow
from holdfast.cli.output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add how to use it."""
    parser.epilog = """to have an editor complete workflow files:
  holdfast schema > workflow.schema.json
  and as the first line of the workflow:
  # yaml-language-server: $schema=workflow.schema.json"""


def run(arguments: argparse.Namespace, output: Output) -> int:  # noqa: ARG001 - the command's shape
    """Print the schema."""
    output.document(json_schema_of_workflow())
    return 0
