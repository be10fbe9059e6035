"""What callers ask of `Tasks`, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from holdfast.frozen import field, frozen
from holdfast.tasks.record import LOCAL_OWNER, NORMAL, RunDetails, Visibility
from holdfast.tasks.state import TaskState


@frozen
class Actor:
    """Who does something, and from where; both go into the log.

    A client sees and changes only the variables that it may (see `Visibility`); everybody else is
    code of the server.
    """

    by: str = ""
    via: str = ""
    is_client: bool = False


@frozen
class NewTask:
    """What to create.

    `key` names the request: a second one with the same key and content makes nothing and gets the
    task of the first. `blocked_by`, `relates` and `discovered_from` are ids of tasks of the same
    owner. `schemas` and `visibility` are of the variables. `ttl_ms` counts from the creation. `id`
    is for trusted code only, such as an import: 32 hexadecimal digits that no task has yet.
    """

    name: str
    description: str = ""
    parent: str = ""
    session: str = ""
    priority: int = NORMAL
    tags: Sequence[str] = ()
    variables: Mapping[str, object] = field(default_factory=dict[str, object])
    schemas: Mapping[str, Mapping[str, object]] = field(
        default_factory=dict[str, Mapping[str, object]]
    )
    visibility: Mapping[str, Visibility] = field(default_factory=dict[str, Visibility])
    blocked_by: Sequence[str] = ()
    relates: Sequence[str] = ()
    discovered_from: Sequence[str] = ()
    ttl_ms: int | None = None
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    key: str = ""
    id: str = ""
    run: RunDetails | None = None


@frozen
class Changes:
    """What to change of a task; None leaves a field as it is.

    `metadata` is merged by its keys, and None takes one out. `add_tags` and `remove_tags` are for
    those who do not know the others; they go with no `tags`.
    """

    name: str | None = None
    description: str | None = None
    session: str | None = None
    priority: int | None = None
    tags: Sequence[str] | None = None
    add_tags: Sequence[str] = ()
    remove_tags: Sequence[str] = ()
    status_message: str | None = None
    metadata: Mapping[str, object] | None = None


@frozen
class Filter:
    """Which tasks to list: all conditions together. Times are milliseconds of the epoch.

    `text` is looked for in names and descriptions, small and capital letters alike. Windows include
    their beginning and not their end. `standing` is about dependencies: `ready` can be begun,
    `blocked` cannot for what has not ended, `blocked_by_failed` for what failed.
    """

    states: frozenset[TaskState] = frozenset()
    session: str | None = None
    tags: frozenset[str] = frozenset()
    kind: Literal["task", "run"] | None = None
    parent: str | None = None
    priority: int | None = None
    created_from: int | None = None
    created_before: int | None = None
    updated_from: int | None = None
    updated_before: int | None = None
    text: str = ""
    standing: Literal["ready", "blocked", "blocked_by_failed"] | None = None


@frozen
class Limits:
    """How much an owner may have; None is no limit.

    `live` counts the tasks that have not ended and not expired, `bytes` what their records take (each
    in whole KiB), `per_minute` the creations in a window of 60 seconds that begins with the
    first of them. A task without a time-to-live gets `default_ttl_ms`; one above `max_ttl_ms`
    is refused.
    """

    live: int | None = None
    bytes: int | None = None
    per_minute: int | None = None
    default_ttl_ms: int | None = None
    max_ttl_ms: int | None = None
    variable_depth: int = 10
    variable_string_bytes: int = 64 * 1024
    variables_bytes: int = 1024 * 1024

    @property
    def counts(self) -> bool:
        """Whether anything has to be counted."""
        return (self.live, self.bytes, self.per_minute) != (None, None, None)


@frozen
class Binding:
    """On whose behalf `Tasks` acts: whose tasks they are, and who does it."""

    owner: str = LOCAL_OWNER
    actor: Actor = field(default_factory=Actor)
