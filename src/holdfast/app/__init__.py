"""The composition root: turn settings into a store, a tracer, a router, an engine.

The only place that wires. What is heavy is imported where it is needed, so that a command that
only looks into the store never pays for the rest.
"""
