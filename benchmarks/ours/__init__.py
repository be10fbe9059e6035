"""How Holdfast is measured: one program a figure, each run in a process of its own.

`python -m benchmarks.ours.NAME '{"folder": "PATH", ...}'` prints one JSON object.
"""
