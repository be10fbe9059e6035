"""Find records by the words in them: a local full-text index that may be deleted at any time.

It works on any store, and knows neither tasks nor memory: the owner of the records keeps a log of
what changed (a *feed*) and says which documents the changed records make. See `Texts`.
"""

from __future__ import annotations

from holdfast.storage.texts.documents import Change, Document, Hit, Question, Removed
from holdfast.storage.texts.following import Load, Texts

__all__ = ["Change", "Document", "Hit", "Load", "Question", "Removed", "Texts"]
