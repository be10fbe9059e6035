"""Texts of the workflow files that are measured."""

from __future__ import annotations

BRANCHES, NODES, LONG, SHORT = 8, 4, 0.46, 0.18
"""Each branch has one long node and three short ones, a second together; each level has a long one
somewhere, so that waiting for whole levels takes 4 * 0.46 = 1.84 s."""

PAGES = """\
def render(drafts, facts):
    return "\\n\\n".join([*drafts, *facts])
"""
"""The module that the large workflow calls."""

APPROVAL = """\
name: approval
inputs: {number: int}
state: {verdict: str}
nodes:
  ask:
    kind: human
    ask: "Shall request {inputs.number} be granted?"
    output: verdict
"""


def loop(function: str, turns: int) -> str:
    """Return a workflow that calls a function of `benchmarks.ours.nodes` so many times."""
    call = f"benchmarks.ours.nodes:{function}"
    if function == "noop":
        head, node = "", f"turn: {{kind: python, call: '{call}'}}"
    else:
        head = "state: {notes: {type: 'list[str]', reducer: append, default: []}}"
        arguments = "arguments: {notes: '{state.notes}'}"
        node = f"turn: {{kind: python, call: '{call}', {arguments}, returns: str, output: notes}}"
    back = f"\n  - {{from: turn, to: turn, limit: {turns - 1}}}" if turns > 1 else ""
    return f"name: turns\n{head}\nnodes:\n  {node}\nedges:\n  - start -> turn -> end{back}\n"


def seconds_of(branch: int, position: int) -> float:
    """Return how long a node of the branches takes."""
    return LONG if branch % NODES == position else SHORT


def branches() -> str:
    """Return the workflow of uneven branches that join at the end."""
    lines = ["name: branches", "nodes:"]
    for branch in range(BRANCHES):
        for position in range(NODES):
            arguments = f"arguments: {{seconds: {seconds_of(branch, position)}}}"
            node = f"kind: python, call: 'benchmarks.ours.nodes:rest', {arguments}"
            lines.append(f"  b{branch}n{position}: {{{node}}}")
    lines.append("edges:")
    for branch in range(BRANCHES):
        chain = " -> ".join(f"b{branch}n{position}" for position in range(NODES))
        lines.append(f"  - start -> {chain} -> end")
    return "\n".join(lines) + "\n"


def large(nodes: int) -> str:
    """Return a workflow as people write them, only longer: blocks of eight nodes in a chain.

    A block plans, drafts and reads in parallel, joins, reviews in a loop, asks and stores.
    """
    blocks = nodes // 8
    lines = ["name: large", "inputs: {topic: str, folder: {type: str, default: docs}}", "state:"]
    for block in range(blocks):
        lines += [_STATE.format(b=block)]
    lines.append("nodes:")
    for block in range(blocks):
        before = f"{{state.page{block - 1}}}" if block else "{inputs.topic}"
        lines.append(_NODES.format(b=block, before=before))
    lines.append("edges:")
    for block in range(blocks):
        source = f"store{block - 1}" if block else "start"
        lines.append(_EDGES.format(b=block, source=source))
    return "\n".join(lines) + f"\noutput: '{{state.page{blocks - 1}}}'\n"


_STATE = """\
  plan{b}: list[str]
  drafts{b}: {{type: 'list[str]', reducer: append, default: []}}
  texts{b}: any
  facts{b}: {{type: object, fields: {{names: 'list[str]', count: int}}}}
  page{b}: str
  verdict{b}: {{type: enum, values: [good, bad]}}"""

_NODES = """\
  plan{b}:
    kind: model
    prompt: "Plan a page about {before}"
    returns: list[str]
    output: plan{b}
  draft{b}:
    kind: model
    map: {{over: state.plan{b}, as: point, concurrency: 8}}
    prompt: "Write a paragraph about {{point}} for {{inputs.topic}}"
    output: drafts{b}
  read{b}:
    kind: tool
    tool: read_files
    arguments: {{folder: "{{inputs.folder}}", pattern: "*{b}.md"}}
    output: texts{b}
  facts{b}:
    kind: model
    system: Name the facts.
    prompt: "{{state.texts{b}}}"
    returns: {{type: object, fields: {{names: 'list[str]', count: int}}}}
    retry: {{attempts: 4, wait: 0.5}}
    output: facts{b}
  join{b}:
    kind: python
    call: "pages:render"
    arguments: {{drafts: "{{state.drafts{b}}}", facts: "{{state.facts{b}.names}}"}}
    returns: str
    output: page{b}
  review{b}:
    kind: model
    prompt: "Is this page good? {{state.page{b}}} Its parts were {{state.drafts{b}}}."
    returns: {{type: enum, values: [good, bad]}}
    output: verdict{b}
  ask{b}:
    kind: human
    ask: "May {{state.page{b}}} be stored?"
  store{b}:
    kind: tool
    tool: write_file
    arguments: {{path: "page{b}.md", text: "{{state.page{b}}}"}}
    timeout: 30s"""

_EDGES = """\
  - {source} -> plan{b} -> draft{b} -> join{b}
  - plan{b} -> read{b} -> facts{b} -> join{b}
  - join{b} -> review{b}
  - {{from: review{b}, to: join{b}, when: "state.verdict{b} == 'bad'", limit: 3}}
  - {{from: review{b}, to: ask{b}, otherwise: true}}
  - ask{b} -> store{b}"""
