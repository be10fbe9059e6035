"""OpenTelemetry's stable conventions: HTTP, databases, messaging, RPC, and the calls of MCP.

Sources: semantic conventions 1.20 to 1.41, old and new names.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from holdfast.tracing.dialects.facts import Facts, Names, Wanted, ask, first, has, text
from holdfast.tracing.meaning import Role
from holdfast.tracing.span import Attributes, Span

_ROLES: tuple[tuple[str, Role], ...] = (
    ("db.", "database"),
    ("messaging.", "message"),
    ("rpc.", "http"),
    ("http.", "http"),
    ("faas.", "step"),
)


_WANTED = Wanted(
    user=ask(text, "enduser.id", "user.id"),
    session=ask(text, "session.id"),
)
_WHO = ("enduser.id", "user.id", "session.id")


def applies(names: Names) -> bool:
    """Whether attributes of these names are of these conventions."""
    return has(names, "mcp.", *(prefix for prefix, _ in _ROLES), *_WHO)


def read(span: Span) -> Facts:
    """Return what the stable conventions say."""
    attributes = span.attributes
    facts = cast("Facts", _WANTED.told(attributes))
    facts["dialect"] = "otel"
    role, is_mcp = _role_of(tuple(attributes))
    facts["role"] = role
    if is_mcp:
        _read_mcp(attributes, facts)
    elif role == "database":
        facts["input"] = first(attributes, "db.query.text", "db.statement")
    return facts


@lru_cache(maxsize=4096)
def _role_of(names: Names) -> tuple[Role | None, bool]:
    """Return the role that names tell, and whether they are of MCP."""
    roles: list[Role] = [role for prefix, role in _ROLES if has(names, prefix)]
    return (roles[0] if roles else None), has(names, "mcp.")


def release_of(span: Span) -> str:
    """Return the release that made a span, as its resource says."""
    resource = span.source.resource
    return text(resource, "service.version", "deployment.release") if resource else ""


def _read_mcp(attributes: Attributes, facts: Facts) -> None:
    """Add what the attributes of MCP say."""
    method = text(attributes, "mcp.method.name", "rpc.method")
    facts["role"] = "tool" if method == "tools/call" else "http"
    facts["tool"] = text(attributes, "gen_ai.tool.name", "mcp.tool.name")
    facts["input"] = first(attributes, "gen_ai.tool.call.arguments", "mcp.request.argument")
    facts["output"] = first(attributes, "gen_ai.tool.call.result", "mcp.response.value")
    facts["session"] = facts.get("session") or text(attributes, "mcp.session.id")
