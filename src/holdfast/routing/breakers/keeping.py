"""What is known of endpoints outlives a process and is shared by all of a project: one JSON file.

It is written whole or not at all, and lost at worst: whatever it says can be learnt again. It holds
fingerprints of keys and no keys. A thread writes it: other processes may hold its lock, and disks are slow.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final, cast

from holdfast.errors import StorageTooNew
from holdfast.frozen import members_of
from holdfast.routing.breakers.board import Board, Place
from holdfast.routing.breakers.rules import CLOSED, Circuit, Rules, merge
from holdfast.routing.faults import Fault
from holdfast.storage.warning import warn

VERSION: Final = 1
_KEPT_MS = 86_400_000
_MOST_KEPT = 2_000
_SMALL = 200
_EACH_MS, _AGAIN_MS = 1_000, 10_000
_LOCK_TRIES, _LOCK_SECONDS = 250, 0.02
_WORDS: Final = {
    "state": ("closed", "open", "half_open"),
    "forced": (None, "open", "closed"),
    "reason": (None, *Fault),
}
Circuits = Mapping[Place, Circuit]
_Stamp = tuple[int, int, int]


def keep(
    path: Path, rules: Rules, *, now_ms: Callable[[], int], jitter: Callable[[], float]
) -> Board:
    """Return a board that begins with what a file says, writes changes to it, and heeds those of others.

    A damaged file is a warning and a fresh start; so is one that cannot be read or written.

    Raises:
        StorageTooNew: the file was written by a newer version.
    """
    file = BreakerFile(path, now_ms)
    return Board(
        rules,
        now_ms=now_ms,
        jitter=jitter,
        changed=file.write,
        others=file.news,
        flush=file.flush,
    )


class BreakerFile:
    """The circuits of a project in a file, shared with other processes by `merge`.

    A small file is written at each change, a large one once a second at most. What changes while it is
    written waits for the next time, all in one. A process that ends in good order writes what is left. What could
    not be written, as on a full disk, is tried again every ten seconds as long as anybody wants to call.
    """

    def __init__(self, path: Path, now_ms: Callable[[], int]) -> None:
        self._path = path
        self._now_ms = now_ms
        self._stamp: _Stamp | None = None
        self._owed: Circuits | None = None
        self._damaged: _Stamp | None = None
        self._is_open = True
        self._written_ms = 0
        self._pool = ThreadPoolExecutor(1, "circuits")
        self._writing: Future[None] | None = None
        self._next: Circuits | None = None
        self._handing = Lock()  # of `_next` from the loop to the thread
        # What follows is the thread's; the loop only reads it.
        self._refused: Circuits | None = None
        self._own: _Stamp | None = None
        self._count = 0
        self._told = ""

    def news(self) -> Circuits | None:
        """Return all that the file says, None if it is as it was when it was last read or written.

        Raises:
            StorageTooNew: the first reading shows that a newer version wrote it. Later on that is a
                warning, and the file is left alone from then on.
        """
        if (owed := self._still_owed()) is not None:
            self.write(owed)
        stamp = self._stamp_now()
        if stamp is None or stamp in (self._stamp, self._own) or not self._is_open:
            return None
        is_first, self._stamp = self._stamp is None, stamp
        try:
            return self._read()
        except StorageTooNew as error:
            if is_first and self._writing is None:
                raise
            self._leave_alone(error.message)
            return None

    def write(self, circuits: Circuits) -> None:
        """Let circuits be written, with what others wrote since."""
        if not self._is_open:
            return
        if self._count > _SMALL and self._now_ms() - self._written_ms < _EACH_MS:
            self._owed = circuits
            return
        self._owed, self._written_ms = None, self._now_ms()
        with self._handing:
            is_asked, self._next = self._next is not None, dict(circuits)
        if not is_asked:
            self._writing = self._pool.submit(self._write_last)

    def flush(self) -> None:
        """Write what is owed, and return when all is written."""
        if (owed := self._still_owed()) is not None:
            self._written_ms = 0
            self.write(owed)
        if self._writing is not None:
            self._writing.result()

    def _still_owed(self) -> Circuits | None:
        """Return what waits to be written, or was refused a while ago."""
        is_due = self._now_ms() - self._written_ms >= _AGAIN_MS
        return self._refused if self._owed is None and is_due else self._owed

    def _write_last(self) -> None:
        """Write the newest that was handed over, in the thread."""
        with self._handing:
            circuits, self._next = self._next, None
        if circuits is None or not self._is_open:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _locked(self._path.with_name(f"{self._path.name}.lock")):
                self._write_merged(circuits)
            self._told, self._refused = "", None
        except StorageTooNew as error:
            self._leave_alone(error.message)
        except OSError as error:
            self._refused = circuits
            self._complain(error.strerror or str(error))

    def _write_merged(self, circuits: Circuits) -> None:
        theirs = self._read()
        merged = dict(theirs)
        for place, ours in circuits.items():
            merged[place] = merge(ours, theirs.get(place, CLOSED))
        kept = _worth_keeping(merged, self._now_ms())
        self._count = len(kept)
        _replace(self._path, encode(kept))
        # What others wrote is not known to the board yet: then it has to read the file.
        if all(circuits.get(place) is merged[place] for place in theirs):
            self._own = self._stamp_now()

    def _complain(self, why: str) -> None:
        """Say why the file cannot be written, once until it can be or there is another reason."""
        if why != self._told:
            self._told = why
            warn("the state of circuits is not kept: cannot write %r: %s", str(self._path), why)

    def _read(self) -> Circuits:
        try:
            return decode(self._path.read_bytes(), str(self._path))
        except FileNotFoundError:
            return {}
        except OSError as error:
            warn("cannot read %r: %s", str(self._path), error.strerror)
        except ValueError as error:
            stamp, before = self._stamp_now(), self._damaged
            self._damaged = stamp
            if stamp != before:
                warn("%r is damaged, so endpoints are judged anew: %s", str(self._path), error)
        return {}

    def _stamp_now(self) -> _Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _leave_alone(self, why: str) -> None:
        self._is_open = False
        warn("the state of circuits is not kept any more: %s", why)


def encode(circuits: Circuits) -> bytes:
    """Return circuits as JSON; what is as in a new circuit is left out."""
    entries = [{**place._asdict(), **_told(circuit)} for place, circuit in sorted(circuits.items())]
    return json.dumps({"version": VERSION, "circuits": entries}, indent=1).encode() + b"\n"


def decode(text: bytes, name: str) -> Circuits:
    """Return the circuits of a file.

    Raises:
        ValueError: this is no such file.
        StorageTooNew: a newer version wrote it.
    """
    found: Any = json.loads(text)
    if not isinstance(found, dict):
        raise _damaged("it holds no object")
    document = cast("dict[str, Any]", found)
    version = document.get("version")
    if not isinstance(version, int) or version < 1:
        raise _damaged("it names no version")
    if version > VERSION:
        raise StorageTooNew(
            f"{name!r} has version {version}; this Holdfast knows {VERSION}",
            hint="upgrade Holdfast, or move the file away: it only says which endpoints failed",
        )
    entries = document.get("circuits")
    if not isinstance(entries, list):
        raise _damaged("it holds no list of circuits")
    return dict(_entry(each) for each in cast("list[Any]", entries))


def _entry(found: Any) -> tuple[Place, Circuit]:
    if not isinstance(found, dict):
        raise _damaged("a circuit is no object")
    entry = cast("dict[str, Any]", found)
    names = [entry.get(each) for each in Place._fields]
    if not all(isinstance(each, str) for each in names):
        raise _damaged("a circuit does not say whose it is")
    members = {
        member.name: _checked(member.name, entry[member.name])
        for member in members_of(Circuit)
        if member.name in entry
    }
    return Place(*cast("list[str]", names)), Circuit(**members)


def _checked(name: str, value: Any) -> Any:
    if name in _WORDS:
        if value not in _WORDS[name]:
            raise _damaged(f"{value!r} is no {name} of a circuit")
        return Fault(value) if name == "reason" and value is not None else value
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
        raise _damaged(f"{value!r} is no {name} of a circuit")
    return value


def _told(circuit: Circuit) -> dict[str, object]:
    return {
        member.name: value
        for member in members_of(Circuit)
        if (value := getattr(circuit, member.name)) != member.default
    }


def _worth_keeping(circuits: Circuits, now_ms: int) -> Circuits:
    """Return the circuits that ever changed their state, without those that are long forgotten."""
    ages = {place: (each.forced is not None, _last_ms(each)) for place, each in circuits.items()}
    kept = [
        place for place, (forced, at) in ages.items() if at and (forced or now_ms - at < _KEPT_MS)
    ]
    if len(kept) > _MOST_KEPT:
        kept = sorted(kept, key=ages.__getitem__)[-_MOST_KEPT:]
    return {place: circuits[place] for place in kept}


def _last_ms(circuit: Circuit) -> int:
    changed = max(circuit.changed_ms, circuit.forced_ms)
    return max(changed, circuit.until_ms, circuit.paused_until_ms) if changed else 0


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Keep other processes out. They only read and write one file, so they are waited for, but not for ever.

    Raises:
        OSError: one of them holds the lock, as a process does that was stopped in the middle.
    """
    with path.open("ab") as handle:
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                Event().wait(_LOCK_SECONDS)  # in a thread of its own, for which there is no clock
        else:
            raise BlockingIOError(errno.EAGAIN, f"another process holds {path.name!r}")
        yield


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _damaged(why: str) -> ValueError:
    return ValueError(why)
