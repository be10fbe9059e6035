"""Agents: what a workflow means."""
