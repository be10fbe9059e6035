"""Measure Holdfast beside its peers; `README.md` says how and why."""
