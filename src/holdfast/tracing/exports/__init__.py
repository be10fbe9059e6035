"""Traces in the file formats of other viewers."""
