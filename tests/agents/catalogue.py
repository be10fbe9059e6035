"""The tools that the tests of the loader know."""

from __future__ import annotations

from holdfast.agents.signatures import ToolSignature
from holdfast.agents.types import parse_type
from holdfast.agents.workflow import Field

TOOLS = {
    "read_files": ToolSignature(
        name="read_files",
        parameters={
            "folder": Field(name="folder", type=parse_type("str")),
            "pattern": Field(name="pattern", type=parse_type("str"), default="*", has_default=True),
            "most": Field(name="most", type=parse_type("int"), default=1, has_default=True),
        },
        returns=parse_type("list[str]"),
    )
}

BRIEF = """\
name: brief
version: "1"
model: offline/extract
timeout: 10m
inputs:
  folder: {type: str, description: Where the texts are}
  audience: {type: str, default: engineers}
  level: {type: enum, values: [low, high], default: low}
  short: str
  hint: str?
state:
  documents: list[str]
  summaries: {type: list, items: {type: object, fields: {summary: str, points: "list[str]"}}, reducer: append}
  draft: str
  ok: bool
  verdict: {type: enum, values: [yes, no]}
nodes:
  read: {kind: tool, tool: read_files, arguments: {folder: "{inputs.folder}"}, output: documents}
  summarise:
    kind: model
    map: {over: state.documents, as: document, concurrency: 8}
    prompt: |
      {document} as {"json": true}
    returns: {type: object, fields: {summary: str, points: "list[str]"}}
    output: summaries
    temperature: 0.2
    retry: {wait: 500ms}
    timeout: 30s
  draft: {kind: model, prompt: "For {inputs.audience}: {state.summaries}", output: draft}
  check: {kind: python, call: "os.path:isdir", arguments: {s: "{state.draft}"}, returns: bool, output: ok}
  approve: {kind: human, ask: "{state.draft}?", returns: {type: enum, values: [yes, no]}, output: verdict}
edges:
  - start -> read -> summarise -> draft
  - {from: draft, to: [approve, check]}
  - check -> end
  - {from: approve, to: draft, when: "state.verdict == 'no'", limit: 3}
  - {from: approve, to: end, otherwise: true}
output: {brief: "{state.draft}", run: "{run.id}"}
"""
