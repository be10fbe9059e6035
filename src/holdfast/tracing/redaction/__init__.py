"""Take secrets out of what is traced, before it is journaled."""
