"""Take one edited file into the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from holdfast.clock import Clock
from holdfast.errors import CallerError, FaceError
from holdfast.storage.faces.codecs import Codec
from holdfast.storage.faces.folder import Claim, Content, FaceFolder
from holdfast.storage.faces.merging import MISSING, Clash, Merged, merge
from holdfast.storage.faces.report import Finding, Outcome
from holdfast.storage.faces.values import Fields, is_same, write_value
from holdfast.storage.seam import Conflict, Key, Put, Record, Store
from holdfast.storage.threads import on_thread

Accept = Callable[[Key, Fields, Fields], str | None]
"""Given a key and the fields before and after: why they may not change so, None if they may."""

Create = Callable[[str, Fields], Put | str]
"""Given the name and the fields of a new file: the write that makes its record, or why none."""

_KEPT = {Outcome.CONFLICT, Outcome.QUARANTINED, Outcome.REFUSED}
_LEFT = {Outcome.UNKNOWN, Outcome.WAITING}
_SHOWN = 60


class Verdict(NamedTuple):
    """What is to become of a claimed file."""

    outcome: Outcome
    sentence: str
    clashes: tuple[Clash, ...] = ()
    line: int | None = None
    made: Key | None = None
    """The record of a new file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """What it takes to take edits in."""

    store: Store
    folder: FaceFolder
    codec: Codec
    clock: Clock
    accept: Accept | None
    create: Create | None

    async def take(self, claim: Claim, key: Key | None) -> Finding | None:
        """Bring a claimed file into the store and say what became of it.

        None says that nobody had edited it. `key` is None for a file that has no record. Dying in
        the midst is harmless: the claimed file is found again, and taking it twice changes nothing.
        """
        data = await on_thread(partial(self.folder.read, claim.path))
        if data is None:
            return None
        verdict = await self._judge(claim, key, data)
        if verdict is None:
            await on_thread(partial(self.folder.spend, claim, data))
            return None
        return await self._close(claim, key, data, verdict)

    async def _judge(self, claim: Claim, key: Key | None, data: bytes) -> Verdict | None:
        try:
            content = self.folder.parse(data)
        except FaceError as error:
            is_settled = await on_thread(partial(self.folder.is_settled, claim.path))
            return judge_broken(error, is_settled=is_settled)
        if key is None:
            return await self._make(claim.name, content)
        return None if content.is_untouched else await self._merge(claim.name, key, content)

    async def _merge(self, name: str, key: Key, content: Content) -> Verdict:
        """Merge an edit into its record, again and again until nobody writes in between."""
        history = await on_thread(partial(self.folder.history, name))
        rendering = history.find(content.mark) if history else None
        base = rendering.fields if rendering else None
        while True:
            record = await self.store.get(key)
            if record is None:
                return Verdict(Outcome.CONFLICT, "its record is gone")
            try:
                ours = self.codec.load(record.value)
            except FaceError as error:
                return Verdict(Outcome.CONFLICT, f"its record cannot be shown: {error.reason}")
            merged = merge(base, ours, content.fields)
            if is_same(merged.fields, ours):
                return _judge_merged(base, ours, merged)
            if (reason := self._refusal(key, ours, merged.fields)) is not None:
                return Verdict(Outcome.REFUSED, reason)
            try:
                written = await self._write(record, merged.fields)
            except CallerError as error:
                return Verdict(Outcome.REFUSED, error.message)
            if not isinstance(written, Conflict):
                return _judge_merged(base, ours, merged)

    def _refusal(self, key: Key, before: Fields, after: Fields) -> str | None:
        return self.accept(key, before, after) if self.accept else None

    async def _write(self, record: Record, fields: Fields) -> int | Conflict:
        return await self.store.put(
            record.key,
            self.codec.store(fields, record.value),
            expected=record.version,
            expires_at=record.expires_at,
            due_at=record.due_at,
        )

    async def _make(self, name: str, content: Content) -> Verdict:
        """Make the record of a new file, if the owner wants one."""
        wanted = self.create(name, content.fields) if self.create else "it belongs to no record"
        if isinstance(wanted, str):
            return Verdict(Outcome.UNKNOWN, wanted)
        try:
            written = await self.store.put(
                wanted.key,
                wanted.value,
                expected=wanted.expected,
                expires_at=wanted.expires_at,
                due_at=wanted.due_at,
            )
        except CallerError as error:
            return Verdict(Outcome.REFUSED, error.message)
        if not isinstance(written, Conflict):
            return Verdict(Outcome.APPLIED, f"a new record {wanted.key!r}", made=wanted.key)
        current = await self.store.get(wanted.key)
        if current and current.value == wanted.value:
            says = f"the record {wanted.key!r} says so already"
            return Verdict(Outcome.APPLIED, says, made=wanted.key)
        return Verdict(Outcome.CONFLICT, f"the record {wanted.key!r} exists already")

    async def _close(self, claim: Claim, key: Key | None, data: bytes, verdict: Verdict) -> Finding:
        path = self.folder.path / claim.name
        outcome, kept = verdict.outcome, None
        if outcome in _LEFT and not await on_thread(partial(self.folder.put_back, claim)):
            outcome = Outcome.CONFLICT  # somebody saved another file under the name
        if outcome in _KEPT:
            kind, note = outcome.value, self._note(claim, key, verdict)
            kept = await on_thread(
                partial(self.folder.keep, claim, note, kind=kind, time=self._time())
            )
        elif outcome not in _LEFT:
            await on_thread(partial(self.folder.spend, claim, data))
        return Finding(
            outcome=outcome,
            path=path,
            sentence=_say(claim.name, verdict, f"conflicts/{kept.name}" if kept else ""),
            key=key or verdict.made,
            clashes=verdict.clashes,
            kept=kept,
            line=verdict.line,
        )

    def _note(self, claim: Claim, key: Key | None, verdict: Verdict) -> str:
        fields = {".".join(clash.path): _sides(clash) for clash in verdict.clashes}
        members = {
            "file": claim.name,
            "key": None if key is None else list(key),
            "time": self._time(),
            "why": verdict.sentence,
            "fields": fields,
        }
        return write_value(members, indent=2, sort=False) + "\n"

    def _time(self) -> str:
        seconds, milliseconds = divmod(self.clock.now_ms(), 1000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%S}{milliseconds:03d}Z"


def judge_broken(error: FaceError, *, is_settled: bool) -> Verdict:
    """Return what is to become of a file that cannot be read as a face."""
    where = f"line {error.line}: {error.reason}"
    if is_settled:
        return Verdict(Outcome.QUARANTINED, where, line=error.line)
    return Verdict(Outcome.WAITING, f"{where}; perhaps it is being saved", line=error.line)


def _judge_merged(base: Fields | None, ours: Fields, merged: Merged) -> Verdict:
    if merged.clashes:
        clashes = "; ".join(map(_say_clash, merged.clashes))
        reason = "changed on both sides" if base is not None else "of unknown origin"
        return Verdict(Outcome.CONFLICT, f"{reason}: {clashes}", tuple(merged.clashes))
    if not merged.taken:
        return Verdict(Outcome.APPLIED, "the record says so already")
    names = ", ".join(".".join(path) for path in merged.taken)
    if base is not None and is_same(base, ours):
        return Verdict(Outcome.APPLIED, f"taken: {names}")
    return Verdict(Outcome.MERGED, f"taken beside other changes of the record: {names}")


def _say(name: str, verdict: Verdict, kept: str) -> str:
    end = f"; the file is kept as {kept}" if kept else ""
    return f"{name}: {verdict.sentence}{end}"


def _say_clash(clash: Clash) -> str:
    theirs, ours = _show(clash.theirs), _show(clash.ours)
    return f"{'.'.join(clash.path)} is {theirs} in the file and stays {ours}"


def _show(value: object) -> str:
    text = "removed" if value is MISSING else write_value(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _sides(clash: Clash) -> dict[str, object]:
    sides = {"in the file": clash.theirs, "in the record": clash.ours}
    return {side: value for side, value in sides.items() if value is not MISSING}
