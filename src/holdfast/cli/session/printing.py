"""Print sessions: a line each, or all of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.cli.output import Output, count, moment
from holdfast.cli.tables import print_table
from holdfast.tasks.sessions.fold import Story
from holdfast.tasks.sessions.record import Session
from holdfast.tasks.sessions.service import SessionPage
from holdfast.tasks.sessions.view import describe_session

SHORT = 8


def print_changed(session: Session, output: Output, said: str, *, is_current: bool) -> int:
    """Print how a session stands after a change."""
    if output.as_json:
        output.data(describe_session(session, is_current=is_current))
    else:
        output.line(f"{session.id[:SHORT]}  {session.name}: {said}")
    return 0


def print_page(page: SessionPage, output: Output) -> None:
    """Print sessions as a table; a star stands at the current one."""
    if not page.sessions:
        output.line(f"no sessions; start one with: {output.command('session', 'start', 'NAME')}")
        return
    rows: list[tuple[str, ...]] = [("", "ID", "STATE", "NAME", "STARTED", "NOTES", "DECISIONS")]
    rows += [
        (
            "*" if each.id == page.current else "",
            each.id[:SHORT],
            each.state.value,
            each.name,
            moment(each.started_at),
            str(each.notes),
            str(each.decisions),
        )
        for each in page.sessions
    ]
    print_table(rows, output, elastic=3, spare=("DECISIONS", "NOTES", "STARTED"))
    if page.more:
        output.note(f"there are {page.more} more: --limit N or --all shows them")


def print_story(story: Story, output: Output, *, is_current: bool) -> None:
    """Print all that a session says."""
    session = story.session
    current = ", the current one" if is_current else ""
    output.line(f"{session.name}  {session.id}  {session.state.value}{current}")
    output.line(f"started {moment(session.started_at)}")
    if session.ended_at is not None:
        output.line(f"ended {moment(session.ended_at)}")
    for title, lines in (
        ("goal", [session.goal] if session.goal else []),
        ("summary", [session.summary] if session.summary else []),
        ("belongs to it", session.scope.includes),
        ("does not", session.scope.excludes),
        ("context", [f"{name} = {value}" for name, value in session.context.items()]),
        ("files", list(session.files)),
        ("decided", list(decision_lines(story))),
        ("notes", list(note_lines(story))),
        ("left open", list(left_lines(session, output))),
    ):
        _print_part(title, lines, output)


def decision_lines(story: Story) -> Iterator[str]:
    """Give the decisions of a session, each with why and instead of what."""
    for number, event in story.decisions:
        more = [f"because: {event.reason}"] if event.reason else []
        more += (f"instead of: {each}" for each in event.alternatives)
        more += [f"task: {event.task[:SHORT]}"] if event.task else []
        first = f"#{number} {moment(event.at)} {event.by}: {event.text}"
        yield "\n".join([first, *more])


def note_lines(story: Story) -> Iterator[str]:
    """Give the notes of a session."""
    for number, event in story.notes:
        about = f" (task {event.task[:SHORT]})" if event.task else ""
        yield f"#{number} {moment(event.at)} {event.by}{about}: {event.text}"


def left_lines(session: Session, output: Output) -> Iterator[str]:
    """Give what was left open when a session ended."""
    if session.left_count:
        listing = output.command("task", "list", "--session", session.id[:SHORT], "--open")
        shown = " ".join(each[:SHORT] for each in session.left)
        rest = session.left_count - len(session.left)
        more = f" and {rest} more" if rest else ""
        yield f"{count(session.left_count, 'task')}: {shown}{more}\nto see them: {listing}"


def print_left(session: Session, names: Sequence[str], output: Output) -> None:
    """Say which tasks an end has left open."""
    if not session.left_count:
        output.line("nothing is left open")
        return
    output.line(f"left open: {count(session.left_count, 'task')}")
    for task_id, name in zip(session.left, names, strict=False):
        output.line(f"  {task_id[:SHORT]}  {name}")
    if len(names) < session.left_count:
        listing = output.command("task", "list", "--session", session.id[:SHORT], "--open")
        output.line(f"  and {session.left_count - len(names)} more: {listing}")


def _print_part(title: str, lines: Sequence[str], output: Output) -> None:
    if lines:
        output.line()
        output.line(title)
    for line in lines:
        output.line("  " + line.replace("\n", "\n    "))
