"""Look through a folder of faces for what people changed."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.errors import FaceError, StorageError
from holdfast.storage.faces.folder import FaceFolder
from holdfast.storage.faces.names import is_temporary
from holdfast.storage.faces.report import Finding, Outcome
from holdfast.storage.faces.taking import judge_broken
from holdfast.storage.seam import Key


class Look:
    """What was found in a folder, given the key of each face that there should be.

    `edited` are files to take in, new ones without a key; `missing` are faces that were there once;
    `findings` say of all other files why they stay where they are.
    """

    def __init__(self, folder: FaceFolder, keys: Mapping[str, Key], *, new_suffix: str) -> None:
        """Look at every file. New ones are to be taken in if they end with `new_suffix`."""
        self.edited: list[tuple[str, Key | None]] = []
        self.findings: list[Finding] = []
        self._folder = folder
        self._new_suffix = new_suffix
        names, remembered = folder.names(), set(folder.remembered())
        for name in names:
            if not is_temporary(name) and name != folder.conflicts.name:
                key = keys.get(name)
                if key is None and name in remembered:
                    history = folder.history(name)
                    key = history.key if history else None
                self._look_at(name, key)
        missing = (keys.keys() & remembered).difference(names)
        self.missing = [(name, keys[name]) for name in sorted(missing)]

    def _look_at(self, name: str, key: Key | None) -> None:
        try:
            data = self._folder.read(self._folder.path / name)
        except StorageError as error:
            return self._report(name, key, Outcome.WAITING, error.message)
        if data is None:
            return self._report(name, key, Outcome.UNKNOWN, "it is not a regular file")
        try:
            content = self._folder.parse(data)
        except FaceError as error:
            return self._look_at_broken(name, key, error)
        if key is None and not (self._new_suffix and name.endswith(self._new_suffix)):
            return self._report(name, key, Outcome.UNKNOWN, "it belongs to no record")
        if key is None or not content.is_untouched:
            self.edited.append((name, key))
        return None

    def _look_at_broken(self, name: str, key: Key | None, error: FaceError) -> None:
        if key is None:
            reason = f"it belongs to no record; line {error.line}: {error.reason}"
            return self._report(name, key, Outcome.UNKNOWN, reason)
        is_settled = self._folder.is_settled(self._folder.path / name)
        verdict = judge_broken(error, is_settled=is_settled)
        if verdict.outcome is Outcome.WAITING:
            return self._report(name, key, verdict.outcome, verdict.sentence)
        self.edited.append((name, key))
        return None

    def _report(self, name: str, key: Key | None, outcome: Outcome, reason: str) -> None:
        self.findings.append(
            Finding(
                outcome=outcome,
                path=self._folder.path / name,
                sentence=f"{name}: {reason}; it was left as it is",
                key=key,
            )
        )
