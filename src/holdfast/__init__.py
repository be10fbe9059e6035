"""Holdfast: a local-first runtime for agents that finish what they start."""

from __future__ import annotations

__version__ = "0.1.0"
