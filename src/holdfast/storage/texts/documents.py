"""What goes into the index, what is asked of it, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.frozen import frozen
from holdfast.storage.seam import Key


@frozen
class Document:
    """What can be found of one record.

    `title` and `text` are searched, the title with twice the weight. `scope`, `kind` and `state`
    are what a question may ask for; `at` (milliseconds of the epoch) too. From `until` on the
    document is not found any more. Documents of one `group` that follow one another in time are
    *neighbours*; an empty group has none. `data` comes back with a hit as it is.
    """

    key: Key
    title: str = ""
    text: str = ""
    scope: str = ""
    kind: str = ""
    state: str = ""
    at: int = 0
    until: int | None = None
    group: str = ""
    data: str = ""


@frozen(kw_only=False)
class Removed:
    """A record that is not to be found any more."""

    key: Key


Change = Document | Removed


@frozen
class Question:
    """What is looked for.

    Any word of `text` may match, in any of its forms (porter stemming); stop words are left out
    unless there is nothing else. None in `scopes`, `kinds` or `states` asks for all, an empty
    collection for nothing. `since` is inclusive, `before` is not. `now` leaves out what has ended
    by then. A neighbour of a match counts as a match with `context` times its score.
    """

    text: str
    scopes: Sequence[str] | None = None
    kinds: Sequence[str] | None = None
    states: Sequence[str] | None = None
    since: int | None = None
    before: int | None = None
    now: int | None = None
    limit: int = 10
    context: float = 0.5


@frozen
class Hit:
    """A document that was found; the better, the higher its `score`.

    `snippet` is the place in the text where the words are, in brackets; the beginning of the text if
    only the title has them. `beside` is the key of the
    neighbour that matched where the document itself did not.
    """

    key: Key
    score: float
    title: str
    snippet: str
    scope: str
    kind: str
    state: str
    at: int
    data: str
    beside: Key | None = None
