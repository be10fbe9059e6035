"""Merge the journals of two clones of a store: the same result whoever merges, nothing lost."""
