"""One readable file per record for people, and the edits that they make in them.

It works on any store, and knows neither tasks nor memory: the owner of the records brings a
`Codec`. See `Faces`.
"""

from __future__ import annotations

from holdfast.errors import FaceError
from holdfast.storage.faces.codecs import Codec, JsonCodec
from holdfast.storage.faces.faces import Faces
from holdfast.storage.faces.markdown import MarkdownCodec
from holdfast.storage.faces.merging import MISSING, Clash, Merged, merge
from holdfast.storage.faces.report import Finding, Outcome, Report, Written
from holdfast.storage.faces.taking import Accept, Create
from holdfast.storage.faces.values import Fields

__all__ = [
    "MISSING",
    "Accept",
    "Clash",
    "Codec",
    "Create",
    "FaceError",
    "Faces",
    "Fields",
    "Finding",
    "JsonCodec",
    "MarkdownCodec",
    "Merged",
    "Outcome",
    "Report",
    "Written",
    "merge",
]
