"""Tell the log of the program what a store cannot mend by itself."""

from __future__ import annotations


def warn(text: str, *values: object) -> None:
    """Log a warning; the logging of Python is loaded when there is something to say."""
    import logging  # noqa: PLC0415 - loading it takes longer than reading a small store

    logging.getLogger("holdfast.storage").warning(text, *values)
