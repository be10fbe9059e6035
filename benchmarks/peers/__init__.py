"""How the peers are measured: scripts for the interpreter of `.venv-peers`, which has no Holdfast.

`.venv-peers/bin/python benchmarks/peers/NAME.py '{"folder": "PATH", ...}'` prints one JSON object.
"""
