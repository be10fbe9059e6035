"""Ask git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from holdfast.errors import UsageError


class Git:
    """The git work tree that a folder lies in."""

    def __init__(self, folder: Path) -> None:
        """Find the work tree.

        Raises:
            UsageError: the folder is in none, or there is no git.
        """
        self.top = folder
        try:
            self.top = Path(self.text("rev-parse", "--show-toplevel"))
        except UsageError as error:
            raise UsageError(
                f"the folder {str(folder)!r} is in no git work tree: {error.message}",
                hint="run `git init`, or give a folder of a clone",
            ) from error

    def text(self, *words: str) -> str:
        """Return what a git command prints, without the last line end.

        Raises:
            UsageError: it fails.
        """
        return self.bytes(*words).decode("utf-8", "surrogateescape").removesuffix("\n")

    def bytes(self, *words: str) -> bytes:
        """Return what a git command prints, as it is.

        Raises:
            UsageError: it fails.
        """
        done = self._run(*words)
        if done.returncode:
            told = done.stderr.decode("utf-8", "replace").strip()
            raise UsageError(
                f"`git {' '.join(words[:2])}` failed: {told}", hint="mend that, and try again"
            )
        return done.stdout

    def says(self, *words: str) -> str | None:
        """Return what a git command prints, None if it answers by failing."""
        done = self._run(*words)
        return None if done.returncode else done.stdout.decode("utf-8", "surrogateescape").strip()

    def _run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        command = ["git", "-C", str(self.top), *words]
        try:
            return subprocess.run(command, capture_output=True, check=False)
        except FileNotFoundError as error:
            raise UsageError("there is no `git` command", hint="install git") from error
