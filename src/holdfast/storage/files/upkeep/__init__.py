"""Look after a store in files: verify, repair, compact, back up, restore."""
