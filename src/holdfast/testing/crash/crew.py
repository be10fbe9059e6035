"""Start and kill writers, and hear what they tell."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Self

from holdfast.testing.crash.evidence import Ack, parse_ack
from holdfast.testing.crash.writer import Order

PROGRAM = "holdfast.testing.crash.process"

PATIENCE = 60.0
"""Seconds without any progress after which something hangs."""

_TOLD_CHARACTERS = 1500


@dataclass(slots=True)
class Told:
    """Everything that the writers told."""

    acks: list[Ack] = field(default_factory=list[Ack])
    errors: list[str] = field(default_factory=list[str])
    bugs: list[str] = field(default_factory=list[str])


class Crew:
    """The writers of one or several stores.

    `under` is a command that they all run under, for instance `strace` with its options.
    """

    def __init__(self, *, under: Sequence[str] = ()) -> None:
        self.told = Told()
        self._command = [*under, sys.executable, "-m", PROGRAM]
        self._writers: dict[str, int] = {}
        self._marks: set[int] = set()
        self._last_mark = 0
        self._is_over = False
        self._news = threading.Condition()
        self._process: subprocess.Popen[str]
        self._errors: IO[str]
        self._reader = threading.Thread(target=self._hear, daemon=True)

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill(*self.writers)
        assert self._process.stdin is not None
        # It ends with its input, and then there is nothing more to hear.
        self._process.stdin.close()
        self._reader.join(PATIENCE)
        with self._process, self._errors:
            self._process.wait()
            self._errors.seek(0)
            self._note_errors(self._errors.read())

    @property
    def writers(self) -> list[str]:
        """The names of the writers that were started and not killed."""
        with self._news:
            return list(self._writers)

    def start(self, order: Order) -> None:
        """Start a writer, and return when it runs."""
        self._say(order.line())
        self._wait(lambda: order.name in self._writers, f"writer {order.name} starts")

    def kill(self, *names: str) -> None:
        """Kill writers, all at the same time, and return when they are gone."""
        processes = [self._writers[name] for name in names]
        for process in processes:
            # It may have given up by itself.
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)
        self._bury(names)

    def wait_for_end(self, *names: str) -> None:
        """Return when these writers have ended by themselves."""
        self._bury(names)

    def wait_for_acks(self, number: int) -> None:
        """Return when so many more writes have been acknowledged, or a writer gave up."""
        goal = len(self.told.acks) + number
        failures = len(self.told.errors) + len(self.told.bugs)
        self._wait(
            lambda: (
                len(self.told.acks) >= goal
                or len(self.told.errors) + len(self.told.bugs) > failures
            ),
            f"the writers {', '.join(self.writers)} get on",
        )

    def settle(self) -> None:
        """Return when everything has been heard that was told before."""
        self._last_mark += 1
        mark = self._last_mark
        self._say(f'{{"mark": {mark}}}')
        self._wait(lambda: mark in self._marks, "the crew answers")

    def _bury(self, names: Sequence[str]) -> None:
        for name in names:
            process = self._writers[name]
            waiting = select.poll()
            waiting.register(process, select.POLLIN)
            assert waiting.poll(PATIENCE * 1000), f"writer {name} does not end"
            with self._news:
                os.close(self._writers.pop(name))

    def _say(self, line: str) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(line + "\n")
        pipe.flush()

    def _wait(self, is_true: Callable[[], bool], what: str) -> None:
        with self._news:
            done = self._news.wait_for(lambda: is_true() or self._is_over, PATIENCE)
        assert done, f"{PATIENCE} seconds passed before {what}; {self.told.errors[-3:]}"
        assert not self._is_over, f"the crew is gone before {what}"

    def _hear(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        for line in pipe:
            # The kill of a writer cannot cut a line: a pipe takes so few bytes at once.
            with self._news:
                self._note(line.split())
                self._news.notify_all()
        with self._news:
            self._is_over = True
            self._news.notify_all()

    def _note_errors(self, text: str) -> None:
        """Note what came out of a thread, where nobody else would hear of it."""
        if "Traceback" in text:
            self.told.bugs.append(text[text.index("Traceback") :][-_TOLD_CHARACTERS:])

    def _note(self, words: Sequence[str]) -> None:
        match words:
            case [_, "started", name, process]:
                self._writers[name] = os.pidfd_open(int(process))
            case [_, "mark", mark]:
                self._marks.add(int(mark))
            case [_, "error", *rest]:
                self.told.errors.append(" ".join(rest))
            case [_, "bug", *rest]:
                self.told.bugs.append(" ".join(rest))
            case _:
                ack = parse_ack(words)
                if ack is None:
                    self.told.bugs.append(f"not understood: {words}")
                else:
                    self.told.acks.append(ack)
