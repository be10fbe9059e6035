"""Every error that Holdfast raises, in one tree.

::

    HoldfastError                   carries `hint` (what to do next) and `exit_code`
    |-- CallerError                 the caller can mend it: 2
    |   |-- UsageError              a wrong argument or a wrong combination of them
    |   |-- SettingsError           a bad `holdfast.toml` or environment variable
    |   |-- WorkflowError           a workflow file that cannot be used
    |   |   `-- WorkflowInvalid     it has problems, all of them listed (`agents.problems`)
    |   |-- InputError              inputs or answers that do not fit what was declared
    |   |-- FaceError               a file that a person edited cannot be read back
    |   |-- EntryNotFound           no entry of the memory has this id, or several have this prefix
    |   |-- EntryEnded              the entry was superseded or forgotten already
    |   |-- SecretFound             what is to be remembered looks like a key or a password
    |   |-- TaskNotFound            no task of the owner has this id, or several have this prefix
    |   |   `-- RunNotFound         the same of a run
    |   |-- TaskConflict            the task is in a state that does not allow the request
    |   |   |-- TaskBusy            somebody else holds the lease of the task
    |   |   |-- DependencyCycle     the task would wait for itself; `path` says by which way
    |   |   `-- RunConflict         the same of a run
    |   |       |-- RunBusy         another live process works on the run
    |   |       `-- WorkflowChanged the workflow file was edited since the run started
    |   |-- QuotaExceeded           the owner has as many tasks or bytes as it may have
    |   |-- TokenInvalid            a text that is no ecash token, or a damaged one
    |   |-- Untranslatable          a request holds what a provider's wire format cannot say
    |   |-- SessionNotFound         no session is called so, or several are
    |   |-- SessionConflict         the session has ended, or one of this name is open
    |   `-- ProgramError            a program broke the rules of the engine
    |-- StepError                   a step of a run failed: 1
    |   |-- ToolError               a tool refused or failed
    |   |-- ModelOutputError        a model's reply does not fit the declared output
    |   |-- StepFailed              a step failed for good; `error` says why, also after a replay
    |   |-- StepTimeout             a step or a run took longer than it may
    |   `-- StepInterrupted         an at-most-once step was in flight at a crash
    |-- ProviderError               a model provider refused or failed: 5
    |   |-- ProviderUnavailable     down, timed out, overloaded: worth a retry
    |   |   `-- MalformedAnswer     it answered with something that is no answer
    |   |-- ErrorInAnswer           an answer that began well carried an error
    |   |-- ProviderRefused         wrong key, unknown model, bad request: not worth one
    |   |-- NoProvider              no configured provider serves the model
    |   `-- BudgetExceeded          a call would cost more than may be spent
    |-- WalletError                 ecash could not be moved: 5
    |   |-- MintUnavailable         the mint cannot be reached, or does not answer as one
    |   |-- MintRefused             the mint says no, for instance as a coin is spent
    |   |-- NotEnough               the wallet holds less than what is asked for
    |   |-- NodeFailed              a node did not take or give back money as it should
    |   `-- WalletBusy              another process works with the wallet for too long
    |-- StorageError                the store failed: 4
    |   |-- StorageFull             no space left
    |   |-- StorageTooNew           written by a newer Holdfast
    |   |-- StorageCorrupt          not a store, or a damaged one
    |   `-- StorageUnavailable      cannot be opened, locked for too long, closed
    |       `-- OutcomeUnknown      a write was sent and its answer did not come
    `-- LeaseLost                   another process took the task or run over: 6

The world failing (`StorageError`, `ProviderError`, `StepError`) and the caller erring
(`CallerError`) are separate branches. A refused write is not an error at all: it is a
`holdfast.storage.Conflict` value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class HoldfastError(Exception):
    """Say what went wrong and, in `hint`, what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CallerError(HoldfastError):
    """The caller can mend this by asking for something else."""

    exit_code = 2


class UsageError(CallerError):
    """A wrong argument, or arguments that do not go together."""


class SettingsError(CallerError):
    """A setting that is unknown, missing or of the wrong type."""


class WorkflowError(CallerError):
    """A workflow file with problems; the message lists all of them."""


class InputError(CallerError):
    """Inputs of a run, or an answer to it, that do not fit what was declared."""


class FaceError(CallerError):
    """A text that is no face of a record: `line` and `reason` say where and why."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}", hint="mend the file by hand")
        self.line = line
        self.reason = reason


class EntryNotFound(CallerError):
    """No entry of the memory has this id, or more than one id starts with this prefix."""


class EntryEnded(CallerError):
    """The entry was superseded or forgotten, so it cannot change any more."""


class SecretFound(CallerError):
    """What is to be remembered looks like a key or a password; the message does not repeat it."""


class TaskNotFound(CallerError):
    """No task of the owner has this id, or more than one id starts with this prefix.

    Whether another owner has such a task makes no difference, neither to the text nor to the work.
    """


class TaskConflict(CallerError):
    """The state of the task does not allow what was asked."""


class TaskBusy(TaskConflict):
    """Somebody else holds the lease of the task, and it has not ended."""


class DependencyCycle(TaskConflict):
    """The task would wait for itself. `path` are the ids on the way, the first one again at the end."""

    def __init__(self, message: str, *, path: Sequence[str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class QuotaExceeded(CallerError):
    """The owner has as many tasks or bytes as it may have, or made too many in a minute.

    `retry_after` is the number of seconds after which the same request may succeed, if time helps.
    """

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Untranslatable(CallerError):
    """A request cannot be put into another wire format. `field` is the way to what cannot be kept."""

    def __init__(self, field: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{field}: {reason}", hint=hint)
        self.field = field
        self.reason = reason


class TokenInvalid(CallerError):
    """A text is no ecash token; the message says why and repeats nothing of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this is no ecash token: {reason}",
            hint="give it whole; it begins with cashuA or cashuB",
        )


class SessionNotFound(CallerError):
    """No session of the owner is called so or has an id that starts so, or more than one is meant."""


class SessionConflict(CallerError):
    """The session has ended, or another one of this name is open."""


class RunNotFound(TaskNotFound):
    """No run has this id, or more than one id starts with this prefix."""


class RunConflict(TaskConflict):
    """The state of the run does not allow what was asked."""


class RunBusy(RunConflict):
    """Another live process holds the lease of the run."""


class WorkflowChanged(RunConflict):
    """The workflow file was edited since the run started."""


class ProgramError(CallerError):
    """A program broke a rule of the engine, for instance by reusing a step name at once."""


class StepError(HoldfastError):
    """A step of a run failed."""


class ToolError(StepError):
    """A tool refused its arguments or failed at its work."""


class ModelOutputError(StepError):
    """A model's reply does not fit the declared output, also after the retries.

    `spent` is a `routing.seam.ModelReply` with the usage and the cost of all replies, or None.
    """

    spent: object = None


class StepFailed(StepError):
    """A step failed for good. Raised alike when it happens and when it is remembered.

    `error` has the members `type`, `message`, `hint` and `exit_code` of the original error.
    """

    def __init__(self, path: str, error: Mapping[str, object]) -> None:
        super().__init__(f"{path}: {error['message']}", hint=str(error.get("hint", "")))
        self.path = path
        self.error = error


def describe_error(error: BaseException) -> dict[str, object]:
    """Return what is journaled of an error: its type, message, hint and exit code."""
    if isinstance(error, StepFailed):
        return {**error.error, "step": error.path}
    return {
        "type": type(error).__name__,
        "message": str(error) or type(error).__name__,
        "hint": getattr(error, "hint", ""),
        "exit_code": getattr(error, "exit_code", 1),
    }


class StepTimeout(StepError):
    """A step or a whole run took longer than it was allowed."""


class StepInterrupted(StepError):
    """A step that must not run twice was in flight when its process died."""


class ProviderError(HoldfastError):
    """A model provider refused or failed.

    `fault` is the class of the failure, a word of `routing.faults.Fault`; `retry_after` the number of
    seconds that the provider asked to be left alone. `spent` is a `routing.seam.ModelReply` with the
    usage and the cost of the replies that came before the failure, or None.
    """

    exit_code = 5
    fault = "caller"
    spent: object = None

    def __init__(
        self, message: str, *, hint: str = "", retry_after: float | None = None, fault: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        if fault:
            self.fault = fault


class ProviderUnavailable(ProviderError):
    """The provider is down, too slow or overloaded; a later try may succeed."""

    fault = "server"


class MalformedAnswer(ProviderUnavailable):
    """What a provider sent is no answer: not JSON, or not of the shape that its format has."""

    fault = "malformed"


class ErrorInAnswer(ProviderError):
    """An answer whose HTTP status was 200 carried an error, as a whole or in its stream.

    `kind` is the endpoint's own name of the error, `status` the HTTP status that it stands for.
    """

    def __init__(self, message: str, *, kind: str, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint, fault="in_band")
        self.kind = kind
        self.status = status


class ProviderRefused(ProviderError):
    """The provider understood the request and will not serve it; a retry would not help."""


class NoProvider(ProviderError):
    """No configured provider serves the model."""


class BudgetExceeded(ProviderError):
    """A model call would cost more than may be spent; it was not made.

    `others_hold` says that requests which are on their way hold money of that budget, some of which may come back.
    """

    others_hold: bool = False


class WalletError(HoldfastError):
    """Ecash could not be moved; none is lost by that."""

    exit_code = 5


class MintUnavailable(WalletError):
    """The mint cannot be reached, or what answers is no mint. What was begun is finished later."""


class MintRefused(WalletError):
    """The mint will not do what was asked. `code` is its number for the reason, 0 if it gave none."""

    def __init__(self, message: str, *, code: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class NotEnough(WalletError):
    """The wallet holds less than what is asked for."""


class NodeFailed(WalletError):
    """A node did not take or give back money as it should. `status` is that of HTTP, 0 without any."""

    def __init__(self, message: str, *, status: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class WalletBusy(WalletError):
    """Another process works with the wallet, and did not end in time."""


class StorageError(HoldfastError):
    """The store failed; nothing that was acknowledged before is lost."""

    exit_code = 4


class StorageFull(StorageError):
    """No space is left for the store."""


class StorageTooNew(StorageError):
    """The store was written by a newer version of Holdfast."""


class StorageCorrupt(StorageError):
    """The file is not a Holdfast store, or it is damaged."""


class StorageUnavailable(StorageError):
    """The store cannot be opened, was locked for too long, or is closed."""


class OutcomeUnknown(StorageUnavailable):
    """A write was sent and its answer did not come: it may or may not have been applied."""


class LeaseLost(HoldfastError):
    """Another holder took the task or run over; this one must not write to it any more."""

    exit_code = 6
