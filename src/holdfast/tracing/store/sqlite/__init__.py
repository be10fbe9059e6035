"""The trace store in one SQLite file."""
