"""Helpers for the tests of Holdfast and of what is built on it."""
