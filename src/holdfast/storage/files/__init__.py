"""The files backend: a journal that is the truth, and indexes that may be deleted."""
