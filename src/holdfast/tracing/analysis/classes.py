"""The classes of what goes wrong, and the one table that puts a failure into one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

from holdfast.frozen import NamedTuple
from holdfast.tracing.analysis.exceptions import Told, short_kind
from holdfast.tracing.analysis.text import first_number
from holdfast.tracing.meaning import Role
from holdfast.tracing.span import Span


class ErrorClass(StrEnum):
    """What kind of thing went wrong. Each failure has one."""

    CRASHED = "crashed"
    """The process died while the span was open."""
    CANCELLED = "cancelled"
    """Somebody called it off."""
    TIMEOUT = "timeout"
    """It took longer than it may."""
    RATE_LIMIT = "rate_limit"
    """The other side said: not so many, not so fast."""
    CONTEXT_OVERFLOW = "context_overflow"
    """The prompt is longer than the model takes."""
    CUT_OFF = "cut_off"
    """The answer of a model ended at its limit of tokens and not at its end."""
    REFUSED = "refused"
    """A model, its filter or a guardrail would not answer."""
    INVALID_OUTPUT = "invalid_output"
    """What a model said does not have the form that was asked for."""
    AUTHENTICATION = "authentication"
    """The key, the token or the rights are wrong."""
    BUDGET = "budget"
    """The money or the quota is used up."""
    VALIDATION = "validation"
    """Inputs or arguments do not fit what was declared."""
    NOT_FOUND = "not_found"
    """What was asked for is not there."""
    LOOP = "loop"
    """The same call with the same arguments, again and again, or too many turns."""
    RETRY_STORM = "retry_storm"
    """The same call failed many times in a row."""
    EMPTY_RESULT = "empty_result"
    """A tool or a search gave nothing."""
    SLOW = "slow"
    """One branch took far longer than its like."""
    HUMAN = "human"
    """A person said no, or did not answer."""
    DATABASE = "database"
    """A database failed or refused."""
    NETWORK = "network"
    """The other side could not be reached, or the connection broke."""
    SERVER = "server"
    """The other side answered that it failed."""
    FILESYSTEM = "filesystem"
    """A file or a disk: missing, forbidden, full."""
    RESOURCES = "resources"
    """No memory left."""
    MODEL = "model"
    """A model call failed in another way."""
    TOOL = "tool"
    """A tool failed in another way."""
    PROGRAM = "program"
    """The program is wrong: a missing key, a wrong type, a failed assertion."""
    OTHER = "other"
    """None of these."""


class _Rule(NamedTuple):
    found: ErrorClass
    kinds: re.Pattern[str] | None = None
    words: re.Pattern[str] | None = None
    codes: frozenset[int] = frozenset()
    roles: frozenset[str] = frozenset()


def _kinds(*names: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{'|'.join(names)})", re.IGNORECASE)


def _words(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts), re.IGNORECASE)


_MODELS = frozenset({"model", "embedding"})
_C = ErrorClass
_RULES: Sequence[_Rule] = (
    _Rule(
        _C.CONTEXT_OVERFLOW,
        _kinds("ContextWindowExceeded\\w*", "ContextLength\\w*", "PromptTooLong\\w*"),
        _words(
            r"context[_ ](?:length|window|size)", r"maximum context", r"prompt is too long",
            r"input is too long", r"too many (?:input )?tokens", r"reduce the length",
            r"exceeds? the (?:model'?s? )?(?:maximum|limit)[^.]{0,40}tokens",
            r"token count[^.]{0,40}exceeds",
        ),
    ),
    _Rule(
        _C.BUDGET,
        _kinds("QuotaExceeded", "Budget\\w*", "InsufficientCredits\\w*", "PaymentRequired\\w*"),
        _words(r"insufficient[_ ](?:quota|credit|funds|balance)", r"budget", r"billing",
               r"payment required"),
        frozenset({402}),
    ),
    _Rule(
        _C.RATE_LIMIT,
        _kinds("RateLimit\\w*", "TooManyRequests\\w*", "Throttl\\w*", "ResourceExhausted\\w*"),
        _words(r"rate[_ -]?limit", r"too many requests", r"throttl", r"resource[_ ]exhausted",
               r"overloaded", r"\b(?:429|529)\b(?! tokens)"),
        frozenset({429, 529}),
    ),
    _Rule(
        _C.REFUSED,
        _kinds("ContentFilter\\w*", "Guardrail\\w*", "\\w*Tripwire\\w*", "ContentPolicy\\w*"),
        _words(r"content[_ ](?:filter|policy|management)", r"responsible ?ai", r"guardrail",
               r"safety (?:system|setting|filter|polic)", r"flagged", r"moderation",
               r"model refus", r"refusal"),
    ),
    _Rule(
        _C.LOOP,
        _kinds("GraphRecursion\\w*", "MaxTurns\\w*", "MaxIterations\\w*", "\\w*LoopError"),
        _words(r"max(?:imum)?(?: number of)?[_ ](?:iterations|turns|steps)", r"recursion limit",
               r"iteration limit", r"too many (?:turns|iterations|steps)", r"stuck in a loop"),
    ),
    _Rule(
        _C.TIMEOUT,
        _kinds("\\w*Timeout\\w*", "\\w*TimedOut\\w*", "DeadlineExceeded\\w*"),
        _words(r"timed?[ -]?out", r"deadline[_ ]exceeded", r"longer than it may", r"\btimeout\b"),
        frozenset({408, 504}),
    ),
    _Rule(_C.CANCELLED, _kinds("\\w*Cancel(?:l?ed)?(?:Error)?", "KeyboardInterrupt", "Abort(?:ed)?Error")),
    _Rule(
        _C.HUMAN,
        _kinds("Human\\w*", "Approval\\w*", "Rejected\\w*", "InputDeclined\\w*"),
        _words(r"(?:approval|permission|request) (?:was )?(?:denied|rejected|declined)(?: by)? ?(?:a |the )?(?:person|user|human|operator|reviewer)",
               r"(?:user|human|operator|reviewer|person) (?:denied|rejected|declined|said no)",
               r"approval (?:denied|rejected|declined)"),
    ),
    _Rule(
        _C.FILESYSTEM,
        _kinds("FileNotFound\\w*", "PermissionError", "IsADirectoryError", "NotADirectoryError",
               "FileExistsError", "StorageFull", "BlockingIOError"),
        _words(r"no space left", r"no such file", r"read-only file system", r"disk (?:is )?full",
               r"ENOENT", r"ENOSPC", r"EACCES", r"disk quota"),
    ),
    _Rule(
        _C.AUTHENTICATION,
        _kinds("Authenticat\\w*", "Unauthori[sz]ed\\w*", "PermissionDenied\\w*", "Forbidden\\w*",
               "InvalidApiKey\\w*", "NoCredentials\\w*", "AccessDenied\\w*"),
        _words(r"unauthori[sz]ed", r"forbidden", r"api[_ -]?key", r"invalid[_ ](?:token|credential)",
               r"authenticat", r"access denied", r"token (?:has )?expired"),
        frozenset({401, 403}),
    ),
    _Rule(
        _C.DATABASE,
        _kinds("OperationalError", "IntegrityError", "ProgrammingError", "DatabaseError",
               "InterfaceError", "DataError", "\\w*Postgres\\w*", "Deadlock\\w*", "Storage\\w+",
               "\\w*SQL\\w*", "UniqueViolation\\w*", "Redis\\w*", "Mongo\\w*", "NoResultFound"),
        _words(r"deadlock", r"duplicate key", r"database is locked", r"SQLSTATE", r"no such table",
               r"relation \S+ does not exist", r"unique constraint", r"foreign key"),
    ),
    _Rule(
        _C.NETWORK,
        _kinds("Connect(?:ion)?\\w*Error", "Connect(?:ion)?(?:Refused|Reset|Aborted)\\w*",
               "BrokenPipe\\w*", "gaierror", "SSL\\w*", "Client(?:Connector|OS|Payload)\\w*",
               "ServerDisconnected\\w*", "ReadError", "WriteError", "RemoteProtocolError",
               "ProxyError", "\\w*Network\\w*", "IncompleteRead"),
        _words(r"connection (?:was )?(?:refused|reset|aborted|closed|error|lost)", r"broken pipe",
               r"name or service not known", r"\bdns\b", r"unreachable", r"ECONN\w+", r"ENOTFOUND",
               r"certificate", r"getaddrinfo", r"network error", r"cannot connect"),
    ),
    _Rule(_C.RESOURCES, _kinds("MemoryError", "OutOfMemory\\w*"), _words(r"out of memory", r"\bOOM\b")),
    _Rule(
        _C.INVALID_OUTPUT,
        _kinds("ModelOutputError", "OutputPars\\w*", "JSONDecodeError", "JsonParse\\w*",
               "StructuredOutput\\w*", "UnexpectedModelBehaviou?r", "SyntaxError"),
        _words(r"(?:invalid|malformed|bad|broken) json", r"(?:could not|failed to|cannot) parse",
               r"does not fit the declared output", r"unexpected token", r"unterminated string",
               r"expecting (?:value|property|',')", r"not valid json", r"unparsable"),
    ),
    _Rule(
        _C.VALIDATION,
        _kinds("\\w*Validation\\w*", "InputError", "InvalidArgument\\w*", "BadRequest\\w*",
               "ValueError", "UnprocessableEntity\\w*", "\\w*InvalidRequest\\w*", "WorkflowInvalid"),
        _words(r"validation error", r"is not of type", r"is a required property",
               r"missing (?:\d+ )?required", r"invalid (?:argument|parameter|value|input)",
               r"field required", r"does not match the schema"),
        frozenset({400, 422}),
    ),
    _Rule(
        _C.NOT_FOUND,
        _kinds("\\w*NotFound\\w*", "NoProvider", "LookupError"),
        _words(r"\bnot found\b", r"does not exist", r"unknown (?:model|tool)"),
        frozenset({404, 410}),
    ),
    _Rule(
        _C.SERVER,
        _kinds("InternalServer\\w*", "ServiceUnavailable\\w*", "ProviderUnavailable", "BadGateway\\w*"),
        _words(r"internal server error", r"service unavailable", r"bad gateway"),
        frozenset({500, 502, 503}),
    ),
    _Rule(
        _C.PROGRAM,
        _kinds("TypeError", "AttributeError", "KeyError", "IndexError", "NameError", "\\w*Assertion\\w*",
               "ZeroDivisionError", "UnboundLocalError", "NotImplementedError", "RecursionError",
               "ImportError", "ModuleNotFoundError", "StopIteration", "ReferenceError", "RuntimeError",
               "NullPointerException", "UnicodeDecodeError", "UnicodeEncodeError", "OverflowError"),
    ),
    _Rule(_C.DATABASE, roles=frozenset({"database"})),
    _Rule(_C.NETWORK, roles=frozenset({"http", "message"})),
    _Rule(_C.MODEL, _kinds("Provider\\w*"), roles=_MODELS),
    _Rule(_C.TOOL, _kinds("Tool\\w*"), roles=frozenset({"tool", "retrieval", "memory"})),
    _Rule(_C.REFUSED, roles=frozenset({"guardrail"})),
)  # fmt: skip

_CODES = (
    "http.response.status_code", "http.status_code", "status_code", "http.status",
    "error.code", "rpc.response.status_code",
)  # fmt: skip
_GRPC: Mapping[int, ErrorClass] = {
    1: _C.CANCELLED, 3: _C.VALIDATION, 4: _C.TIMEOUT, 5: _C.NOT_FOUND, 7: _C.AUTHENTICATION,
    8: _C.RATE_LIMIT, 13: _C.SERVER, 14: _C.NETWORK, 16: _C.AUTHENTICATION,
}  # fmt: skip
_EXACT = re.compile(r"\d{3}")
_WORDS_READ = 4000


def class_of(span: Span, role: Role, told: Told) -> ErrorClass:
    """Return the class of the failure of a span.

    The innermost cause that belongs to a class decides; a retry that gave up is of the class of
    what it could not do. The table is read from the top.
    """
    if span.status == "lost":
        return ErrorClass.CRASHED
    if span.status == "cancelled":
        return ErrorClass.CANCELLED
    code = status_code(span)
    grpc = first_number(span.attributes, ("rpc.grpc.status_code",))
    if grpc is not None and grpc in _GRPC:
        return _GRPC[grpc]
    for cause in reversed(told.causes):
        kind, words = short_kind(cause.kind), cause.message[:_WORDS_READ]
        inner = cause is not told.causes[0]
        found = _find(kind, words, None if inner else code, "other" if inner else role)
        if found is not None:
            return found
    return _find("", span.error[:_WORDS_READ], code, role) or ErrorClass.OTHER


def status_code(span: Span) -> int | None:
    """Return the HTTP status that a span tells, None if it tells none of an error."""
    found = first_number(span.attributes, _CODES)
    if found is None:
        kind = span.attributes.get("error.type")
        if isinstance(kind, str) and _EXACT.fullmatch(kind):
            found = int(kind)
    return found if found is not None and 400 <= found < 600 else None


def _find(kind: str, words: str, code: int | None, role: str) -> ErrorClass | None:
    """Return the class of the first rule that one of them fits: words, type, code, role."""
    for rule in _RULES:
        if rule.words is not None and rule.words.search(words):
            return rule.found
        if kind and rule.kinds is not None and rule.kinds.fullmatch(kind):
            return rule.found
        if code in rule.codes or role in rule.roles:
            return rule.found
    return None
