"""Share a store through git: its settings, its merge driver, and what is left after a conflict."""
