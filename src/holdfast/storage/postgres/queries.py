"""The named queries of `queries.sql`."""

from __future__ import annotations

from pathlib import Path

from holdfast.storage.queries import load_queries

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
