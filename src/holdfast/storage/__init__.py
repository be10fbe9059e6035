"""Versioned records and append-only logs behind one narrow seam."""
