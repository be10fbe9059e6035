"""Turn whatever an application hands over into text, whatever it does when it is looked at."""

from __future__ import annotations


def text_of(value: object) -> str:
    """Return `str(value)`, or what went wrong when it was asked for."""
    return _told(str, value)


def told(value: object) -> str:
    """Return `repr(value)`, or what went wrong when it was asked for."""
    return _told(repr, value)


def name_of(value: object) -> str:
    """Return the name of the class of a value, with its module unless that is builtins."""
    kind = type(value)
    try:
        module, name = kind.__module__, kind.__qualname__
        return str.__str__(name) if module == "builtins" else f"{module}.{name}"
    except Exception:  # noqa: BLE001 - a metaclass may do anything
        return "object"


def _told(how: type[str] | object, value: object) -> str:
    try:
        said = how(value)  # pyright: ignore[reportCallIssue, reportUnknownVariableType]
        return str.__str__(said)  # pyright: ignore[reportUnknownArgumentType] - a subclass may lie
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - also SystemExit from a hostile one
        return f"<{name_of(value)} that cannot be shown: {type(error).__name__}>"
