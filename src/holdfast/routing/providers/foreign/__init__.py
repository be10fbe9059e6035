"""Endpoints that have no dialect of ours, through the library `litellm` (an extra)."""
