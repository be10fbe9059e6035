"""The evidence of a project in one SQLite file, shared by its processes. It blocks: call it in a thread."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar, cast

from holdfast.frozen import NamedTuple, frozen
from holdfast.routing.quality.embedding import Vector
from holdfast.routing.quality.evidence import Contest
from holdfast.routing.quality.floor import Floor, Pairs, fade
from holdfast.routing.quality.neighbours import Point
from holdfast.storage.owned import Form, open_owned
from holdfast.storage.queries import load_queries
from holdfast.storage.sqlite.errors import translate

T = TypeVar("T")
MOST_OUTCOMES: Final = 4000
MOST_ASKED: Final = 2000
MOST_CHECKS: Final = 5000
_TRIMMED_EVERY: Final = 200
_FORM: Final = Form(
    number=0x48465145,  # "HFQE"
    schema=1,
    made_by=Path(__file__).with_name("schema.sql"),
)
_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))


class Judged(NamedTuple):
    """An answer of a model: whether it was good, and what it cost, None if that is not known."""

    model: str
    good: bool
    cost_msat: int | None


@frozen
class Checked:
    """A request that candidate and reference answered, and what was said of both.

    `served` is the model whose answer went out. `judged` is what is learned of each model: in a cascade
    the candidate's own answer may be bad and what came of it good.
    """

    request: str
    at_ms: int
    contests: tuple[Contest, ...]
    served: str
    candidate_good: bool
    reference_good: bool
    why: str
    point: Point
    floor: Floor
    judged: tuple[Judged, ...]


class Answer(NamedTuple):
    """A judged answer as it is kept."""

    number: int
    at_ms: int
    point: Point
    model: str
    good: bool
    cost_msat: int | None


class Known(NamedTuple):
    """All comparisons, and the answers that were judged since the last reading."""

    pairs: Mapping[Contest, Pairs]
    answers: Sequence[Answer]


class Asked(NamedTuple):
    """A request that was answered: a user may say later how well."""

    request: str
    at_ms: int
    point: Point
    model: str


class Heard(NamedTuple):
    """What the word of a user changed: of which model it was, and whether a comparison was corrected."""

    model: str
    corrected: bool


class EvidenceFile:
    """What was judged, on one connection. Its size is bounded: the newest is kept, and all counts.

    Every verb is one transaction; what was written survives the death of the process.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, made for the owner only when it is missing.

        Raises:
            StorageTooNew: it has a schema of the future.
            StorageCorrupt: it is no such file, or a damaged one.
            StorageUnavailable: it cannot be opened, or stays locked.
        """
        self._path = path
        self._writes = 0
        try:
            self._connection = open_owned(path, _FORM, synchronous="NORMAL")
        except (sqlite3.Error, OSError) as error:
            raise translate(error, path) from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def use_embedder(self, name: str) -> None:
        """Let vectors be those of an embedder from now on: what was predicted by those of another is dropped.

        Comparisons stay, as they know nothing of vectors.
        """
        if self._try(self._embedder) != name:
            self._write(lambda: self._change_embedder(name))

    def stamp(self) -> int:
        """Return a number that changes when another process has written."""
        return self._try(lambda: cast("int", self._one("PRAGMA data_version")[0]))

    def read(self, since: int) -> Known:
        """Return all pairs, and the answers behind a number."""
        return self._try(lambda: Known(self._pairs(), self._answers(since)))

    def note_asked(self, requests: Iterable[Asked]) -> None:
        """Remember who answered which requests."""
        self._write(lambda: [self._insert_asked(each) for each in requests])

    def learn(self, point: Point, model: str, *, good: bool, at_ms: int) -> None:
        """Take in one judged answer."""
        self._write(lambda: self._learn(point, model, good, at_ms, None))

    def count(self, checked: Checked) -> None:
        """Take in a request that both models answered; the same one counts once."""
        self._write(lambda: self._count(checked))

    def find(self, prefix: str) -> Sequence[str]:
        """Return the ids of known requests that begin with these digits, two at most."""
        return self._try(
            lambda: [found for (found,) in self._run("find_requests", (f"{prefix}%",))]
        )

    def hear(self, request: str, *, good: bool, at_ms: int) -> Heard | None:
        """Take in what a user says of an answer; None if nobody knows the request any more."""
        return self._write(lambda: self._hear(bytes.fromhex(request), good, at_ms))

    def forget(self, model: str) -> int:
        """Drop all that is known of a model, and return how many comparisons that were."""
        return self._write(lambda: self._forget(model))

    def _embedder(self) -> str:
        """Return whose the vectors are; files of before there was a choice do not say it."""
        if self._run("find_embedder_table").fetchone() is None:
            return ""
        row = self._run("read_embedder").fetchone()
        return "" if row is None else str(row[0])

    def _change_embedder(self, name: str) -> None:
        for query in (
            "make_embedder_table",
            "drop_embedder",
            "drop_outcomes",
            "drop_asked",
            "drop_texts",
        ):
            self._run(query)
        self._run("write_embedder", (name,))

    def _count(self, checked: Checked) -> None:
        first = checked.contests[0]
        row = (
            bytes.fromhex(checked.request), checked.at_ms, first.candidate, first.reference,
            checked.served, json.dumps([each.segment for each in checked.contests]),
            checked.candidate_good, checked.reference_good, checked.why,
        )  # fmt: skip
        if not self._run("insert_check", row).rowcount:
            return
        for contest in checked.contests:
            pairs = self._pair(contest).add(
                candidate=checked.candidate_good, reference=checked.reference_good
            )
            self._write_pair(contest, fade(pairs, checked.floor))
        for model, good, cost_msat in checked.judged:
            self._learn(checked.point, model, good, checked.at_ms, cost_msat)

    def _hear(self, request: bytes, good: bool, at_ms: int) -> Heard | None:  # noqa: FBT001 - private
        corrected = self._correct(request, good)
        row = self._run("read_asked", (request,)).fetchone()
        if row is None:
            return None if corrected is None else Heard(corrected, corrected=True)
        key, model = row
        self._run("insert_outcome", (at_ms, key, model, good, None))
        return Heard(model, corrected=corrected is not None)

    def _correct(self, request: bytes, good: bool) -> str | None:  # noqa: FBT001 - private
        """Let a user's word replace the judge's; return the model, None if it was not checked."""
        row = self._run("read_check", (request,)).fetchone()
        if row is None:
            return None
        candidate, reference, served, segments, candidate_good, reference_good = row
        before = bool(candidate_good), bool(reference_good)
        after = (good, before[1]) if served == candidate else (before[0], good)
        if after != before:
            for segment in json.loads(segments):
                contest = Contest(candidate=candidate, reference=reference, segment=segment)
                pairs = self._pair(contest).take_out(candidate=before[0], reference=before[1])
                pairs = pairs.add(candidate=after[0], reference=after[1])
                self._write_pair(contest, pairs)
        self._run("correct_check", (*after, "a user said so", request))
        return str(served)

    def _forget(self, model: str) -> int:
        self._run("forget_checks", (model,))
        self._run("forget_outcomes", (model,))
        return self._run("forget_pairs", (model,)).rowcount

    def _learn(
        self, point: Point, model: str, good: bool, at_ms: int, cost_msat: int | None  # noqa: FBT001
    ) -> None:  # fmt: skip
        self._insert_text(point)
        self._run("insert_outcome", (at_ms, point.key, model, good, cost_msat))

    def _insert_asked(self, asked: Asked) -> None:
        self._insert_text(asked.point)
        row = (bytes.fromhex(asked.request), asked.at_ms, asked.point.key, asked.model)
        self._run("insert_asked", row)

    def _insert_text(self, point: Point) -> None:
        self._run("insert_text", (point.key, _written(point.vector)))

    def _pair(self, contest: Contest) -> Pairs:
        row = self._run("read_pair", _named(contest)).fetchone()
        return Pairs() if row is None else _counts(row)

    def _write_pair(self, contest: Contest, it: Pairs) -> None:
        row = (it.both, it.candidate_only, it.reference_only, it.neither)
        self._run("write_pair", (*_named(contest), *row))

    def _pairs(self) -> Mapping[Contest, Pairs]:
        return {
            Contest(candidate=row[0], reference=row[1], segment=row[2]): _counts(row[3:])
            for row in self._run("read_pairs")
        }

    def _answers(self, since: int) -> Sequence[Answer]:
        return [
            Answer(number, at_ms, Point(key=key, vector=_read(vector)), model, bool(good), cost)
            for number, at_ms, key, vector, model, good, cost in self._run(
                "read_outcomes", (since,)
            )
        ]

    def _trim(self) -> None:
        self._run("trim_outcomes", (MOST_OUTCOMES,))
        self._run("trim_asked", (MOST_ASKED,))
        self._run("trim_checks", (MOST_CHECKS,))
        self._run("trim_texts")

    def _write(self, work: Callable[[], T]) -> T:
        return self._try(lambda: self._in_transaction(work))

    def _in_transaction(self, work: Callable[[], T]) -> T:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            done = work()
            self._writes += 1
            if self._writes % _TRIMMED_EVERY == 0:
                self._trim()
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return done

    def _try(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (sqlite3.Error, OSError) as error:
            raise translate(error, self._path) from error

    def _run(self, query: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._connection.execute(_QUERIES[query], values)

    def _one(self, statement: str) -> Sequence[object]:
        return cast("Sequence[object]", self._connection.execute(statement).fetchone())


def _named(contest: Contest) -> tuple[str, str, str]:
    return contest.candidate, contest.reference, contest.segment


def _counts(row: Sequence[int]) -> Pairs:
    both, candidate_only, reference_only, neither = row
    return Pairs(
        both=both, candidate_only=candidate_only, reference_only=reference_only, neither=neither
    )


def _written(vector: Vector) -> str:
    if isinstance(vector, Mapping):
        plain: object = {str(place): round(weight, 3) for place, weight in vector.items()}
    else:
        plain = [round(number, 6) for number in vector]
    return json.dumps(plain, separators=(",", ":"))


def _read(text: str) -> Vector:
    plain = cast("dict[str, float] | list[float]", json.loads(text))
    if isinstance(plain, list):
        return plain
    return {int(place): weight for place, weight in plain.items()}
