"""The engine: how a program runs durably."""
