"""Load named queries from a file of SQL."""

from __future__ import annotations

from pathlib import Path


def load_queries(path: Path) -> dict[str, str]:
    """Return the queries of an SQL file by name, without their comments."""
    queries: dict[str, str] = {}
    for block in path.read_text(encoding="utf-8").split("-- name: ")[1:]:
        name, _, body = block.partition("\n")
        lines = [line for line in body.splitlines() if not line.startswith("--")]
        queries[name.strip()] = "\n".join(lines).strip().removesuffix(";")
    return queries
