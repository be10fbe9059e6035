"""Whose memory it is: a project's, an agent's, a workflow's, a node's or a user's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from holdfast.errors import UsageError
from holdfast.storage.seam import Key

MAX_NAME = 64
"""The most characters of a namespace's name."""


class Level(StrEnum):
    """The kinds of namespaces."""

    PROJECT = "project"
    """What everybody who works on the project should know. It has no name."""

    AGENT = "agent"
    """What one agent knows."""

    WORKFLOW = "workflow"
    """What the runs of one workflow hand on to one another."""

    NODE = "node"
    """What one node of a workflow learnt; the name is `workflow/node`."""

    USER = "user"
    """What is known of one person."""


@dataclass(frozen=True, slots=True, order=True)
class Namespace:
    """A kind of namespace and its name, written `agent:planner`; the project's is `project`."""

    level: Level
    name: str = ""

    def __str__(self) -> str:
        return f"{self.level}:{self.name}" if self.name else str(self.level)

    @property
    def parts(self) -> Key:
        """The parts of a key that stand for it."""
        return (str(self.level), self.name) if self.name else (str(self.level),)


PROJECT: Final = Namespace(Level.PROJECT)


def parse_namespace(text: str) -> Namespace:
    """Return the namespace that `KIND:NAME` or `project` stands for.

    Raises:
        UsageError: it is of no known kind, lacks its name, or the name is too long or unprintable.
    """
    kind, _, name = text.partition(":")
    kind, name = kind.strip(), name.strip()
    if kind not in set(Level):
        known = ", ".join(f"{each}:NAME" for each in Level if each is not Level.PROJECT)
        raise UsageError(f"{text!r} is no namespace", hint=f"use project, {known}")
    level = Level(kind)
    if level is Level.PROJECT and name:
        raise UsageError(
            f"the namespace of the project has no name, but {text!r} gives one",
            hint="write `project`, or use workflow:NAME or agent:NAME",
        )
    if level is not Level.PROJECT and not name:
        raise UsageError(f"the namespace {text!r} lacks a name", hint=f"write {level}:NAME")
    if len(name) > MAX_NAME or not name.isprintable():
        raise UsageError(
            f"the name of the namespace {text[:80]!r} cannot be used",
            hint=f"use at most {MAX_NAME} printable characters",
        )
    return Namespace(level, name)
