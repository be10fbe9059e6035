"""Small graphs in a short hand: `a>b`, `a>b?` (when), `a>b!` (otherwise), `a>b%3` or a digit (limit)."""

from __future__ import annotations

import re

from holdfast.agents.expressions import parse_expression
from holdfast.agents.plan import Plan, analyse
from holdfast.agents.workflow import Edge


def edge(text: str) -> Edge:
    """Return the edge that the short hand stands for."""
    found = re.fullmatch(r"([a-z]\w*)>([a-z]\w*)(?:([?!%])(\d*))?", text)
    assert found is not None, text
    source, target, mark, limit = found.groups()
    return Edge(
        source=source,
        target=target,
        when=parse_expression("true") if mark == "?" else None,
        otherwise=mark == "!",
        limit=int(limit) if limit else None,
    )


def plan_of(names: str, edges: list[str]) -> Plan:
    """Return the plan of a graph that must be sound."""
    analysis = analyse(names.split(), [edge(each) for each in edges], {})
    assert analysis.problems == ()
    assert analysis.plan is not None
    return analysis.plan
