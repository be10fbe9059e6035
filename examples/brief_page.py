"""Turn what the brief workflow has found into a page of Markdown."""

from __future__ import annotations

from typing import TypedDict


class Document(TypedDict):
    """A text as the workflow has read it."""

    path: str
    text: str


class Digest(TypedDict):
    """What the workflow says of one text."""

    summary: str
    topics: list[str]


def gather(documents: list[Document], digests: list[Digest]) -> str:
    """Return the summaries as one text, a paragraph each."""
    pairs = zip(documents, digests, strict=True)
    return "\n\n".join(digest["summary"] for _, digest in pairs if digest["summary"])


def render(
    overview: str, themes: list[str], documents: list[Document], digests: list[Digest]
) -> str:
    """Return the page."""
    lines = ["# Brief", "", overview, "", "Themes: " + "; ".join(themes)]
    for document, digest in zip(documents, digests, strict=True):
        lines += ["", f"## {document['path']}", "", digest["summary"]]
        if digest["topics"]:
            lines += ["", "Topics: " + "; ".join(digest["topics"])]
    return "\n".join(lines) + "\n"
