"""Tasks: their states and the one table of what may follow what."""
