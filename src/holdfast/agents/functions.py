"""Find the Python function that a node names, and check that it can be called as it will be."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from holdfast.agents.problems import closest, did_you_mean
from holdfast.errors import WorkflowError

_CALL = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def folder_of(origin: str) -> Path | None:
    """Return the folder of a workflow file, None for a text that is no file."""
    file = Path(origin)
    return file.resolve().parent if origin and not origin.startswith("<") else None


def find_function(call: str, folder: Path | None = None) -> Callable[..., object]:
    """Import the function that `call` (`package.module:function`) names.

    `folder`, that of the workflow file, is added to the *end* of the import path and stays there,
    so that a file beside the workflow is found but can never take the place of an installed module.

    Raises:
        WorkflowError: there is no such function, or its module cannot be imported.
    """
    if not _CALL.fullmatch(call):
        raise WorkflowError(f"{call!r} names no function", hint="write 'package.module:function'")
    module_name, _, function_name = call.partition(":")
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))
    found = _import(module_name)
    for name in function_name.split("."):
        if not hasattr(found, name):
            hint = did_you_mean(name, [each for each in dir(found) if not each.startswith("_")])
            raise WorkflowError(f"module {module_name!r} has no {function_name!r}", hint=hint)
        found = cast("object", getattr(found, name))
    if not callable(found):
        raise WorkflowError(f"{call!r} is {type(found).__name__}, not a function")
    return found


def _import(name: str) -> object:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module may do anything when it is imported
        message = f"module {name!r} cannot be imported: {type(error).__name__}: {error}"
        missing = isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]
        hint = "put it beside the workflow file or install it" if missing else ""
        raise WorkflowError(message, hint=hint) from None


def misspelt(given: Iterable[str], known: Iterable[str]) -> set[str]:
    """Return the known names that unknown ones were probably meant to be."""
    names = set(known)
    return {near for name in given if name not in names and (near := closest(name, names))}


def argument_faults(
    function: Callable[..., object], names: Iterable[str]
) -> Iterable[tuple[str | None, str, str]]:
    """Yield what is wrong with calling `function` by keyword with arguments of these names.

    Each fault is the argument (None: one is missing), a message and a suggestion.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return  # some built-in functions do not say what they take
    named = {
        each.name
        for each in parameters
        if each.kind in {each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD}
    }
    given = set(names)
    there = given | misspelt(given, named)
    if not any(each.kind is each.VAR_KEYWORD for each in parameters):
        for name in sorted(given - named):
            yield name, f"unknown argument {name!r}", did_you_mean(name, named - given)
    for each in parameters:
        if each.default is not each.empty or each.kind in {each.VAR_KEYWORD, each.VAR_POSITIONAL}:
            continue
        if each.kind is each.POSITIONAL_ONLY:
            yield None, f"takes {each.name!r} by position, which a node cannot give", ""
        elif each.name not in there:
            yield None, f"needs argument {each.name!r}", ""
