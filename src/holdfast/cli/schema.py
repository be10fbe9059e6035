"""`holdfast schema`: the JSON Schema of workflow files."""

from __future__ import annotations

import argparse
import json
import sys

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
    json.dump(json_schema_of_workflow(), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0
