"""From a workflow file to a checked `Workflow`, or to one error with all the problems."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from holdfast.agents.build import build
from holdfast.agents.checks import check
from holdfast.agents.positions import Broken, Fault, compose
from holdfast.agents.problems import Problem, WorkflowInvalid
from holdfast.agents.repair import validate
from holdfast.agents.report import Report
from holdfast.agents.signatures import Catalogue
from holdfast.agents.workflow import Workflow
from holdfast.errors import WorkflowError

MOST_BYTES = 4 * 1024 * 1024


def load_workflow(path: str | Path, *, tools: Catalogue | None = None) -> Workflow:
    """Read and check a workflow file.

    `tools` are the tools that it may call; without them tools are not checked. Modules of python
    nodes are imported, from the folder of the file or from wherever Python finds them.

    Raises:
        WorkflowInvalid: the file has problems; the message lists all of them.
        WorkflowError: the file cannot be read.
    """
    file = Path(path)
    text = _read(file)
    return parse_workflow(text, path=str(path), tools=tools, folder=file.resolve().parent)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except IsADirectoryError:
        raise WorkflowError(
            f"{str(file)!r} is a folder", hint="name the workflow file in it"
        ) from None
    except FileNotFoundError:
        raise WorkflowError(f"there is no file {str(file)!r}", hint="check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WorkflowError(f"cannot read {str(file)!r}: {reason}") from None
    if len(content) > MOST_BYTES:
        raise WorkflowError(f"{str(file)!r} is larger than 4 MiB", hint="move data out of it")
    return _decode(content, file)


def _decode(content: bytes, file: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        fault = Fault((line, column), "the file is not UTF-8 text", "save it as UTF-8")
        raise _invalid([fault], str(file)) from None


def _invalid(faults: Iterable[Fault], file: str) -> WorkflowInvalid:
    return WorkflowInvalid(
        Problem(
            line=fault.place[0],
            column=fault.place[1],
            message=fault.message,
            suggestion=fault.suggestion,
            path=file,
        )
        for fault in faults
    )


def parse_workflow(
    text: str,
    *,
    path: str = "<text>",
    tools: Catalogue | None = None,
    folder: Path | None = None,
) -> Workflow:
    """Check the text of a workflow file; `path` is only for messages.

    Raises:
        WorkflowInvalid: the text has problems; the message lists all of them.
    """
    try:
        composed = compose(text)
    except Broken as error:
        raise _invalid([error.fault], path) from None
    report = Report(composed.positions, path)
    for fault in composed.faults:
        report.add_fault(fault)
        if fault.path is not None:
            report.mark_broken(fault.path)
    workflow = _checked(composed.value, text, report, tools, folder)
    if workflow is None or report.problems:
        raise WorkflowInvalid(report.problems)
    return workflow


def _checked(
    value: object, text: str, report: Report, tools: Catalogue | None, folder: Path | None
) -> Workflow | None:
    spec = validate(value, report)
    if spec is None:
        if not report.problems:  # never seen: the mending gave up without saying why
            report.add((), "the file cannot be understood")
        return None
    workflow, origins = build(spec, text, report, tools)
    check(workflow, origins, report, tools=tools, folder=folder)
    return workflow
