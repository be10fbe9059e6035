"""OpenTelemetry's stable conventions: HTTP, databases, messaging, RPC, and the calls of MCP.

Sources: semantic conventions 1.20 to 1.41, old and new names.
"""

from __future__ import annotations

from holdfast.tracing.dialects.facts import Facts, first, has, text
from holdfast.tracing.meaning import Role
from holdfast.tracing.span import Span

_ROLES: tuple[tuple[str, Role], ...] = (
    ("db.", "database"),
    ("messaging.", "message"),
    ("rpc.", "http"),
    ("http.", "http"),
    ("faas.", "step"),
)


def read(span: Span) -> Facts | None:
    """Return what the stable conventions say."""
    attributes = span.attributes
    facts = Facts(
        dialect="otel",
        user=text(attributes, "enduser.id", "user.id"),
        session=text(attributes, "session.id"),
        release=text(span.source.resource, "service.version", "deployment.release"),
    )
    if has(attributes, "mcp."):
        return _read_mcp(span, facts)
    facts.role = next((role for prefix, role in _ROLES if has(attributes, prefix)), None)
    if facts.role == "database":
        facts.input = first(attributes, "db.query.text", "db.statement")
    if facts.role is None and not (facts.user or facts.session or facts.release):
        return None
    return facts


def _read_mcp(span: Span, facts: Facts) -> Facts:
    method = text(span.attributes, "mcp.method.name", "rpc.method")
    facts.role = "tool" if method == "tools/call" else "http"
    facts.tool = text(span.attributes, "gen_ai.tool.name", "mcp.tool.name")
    facts.input = first(span.attributes, "gen_ai.tool.call.arguments", "mcp.request.argument")
    facts.output = first(span.attributes, "gen_ai.tool.call.result", "mcp.response.value")
    facts.session = facts.session or text(span.attributes, "mcp.session.id")
    return facts
