"""The tools that a workflow may name."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.agents.tools.files import READ_FILES, WRITE_FILE
from holdfast.agents.tools.http import HTTP_GET
from holdfast.agents.tools.seam import Tool

TOOLS: Mapping[str, Tool] = {
    tool.signature.name: tool for tool in (READ_FILES, WRITE_FILE, HTTP_GET)
}

SIGNATURES = {name: tool.signature for name, tool in TOOLS.items()}
"""What the checker needs to know of the tools."""
