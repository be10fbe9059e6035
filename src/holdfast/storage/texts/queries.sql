-- Queries of the full-text index. A line `-- name: NAME` begins a query; the line after it says
-- what the query is for.

-- name: create_applied
-- How far the index is in its feed, in one row: the number of the entry and a hash of it.
CREATE TABLE applied (number INTEGER NOT NULL, mark BLOB NOT NULL) STRICT;

-- name: create_documents
-- What is indexed, and what a hit gives back.
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    scope TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    at INTEGER NOT NULL,
    until INTEGER,
    grouped TEXT,
    data TEXT NOT NULL
) STRICT;

-- name: create_group_index
-- Neighbours of one another; documents without a group pay nothing.
CREATE INDEX documents_in_groups ON documents (grouped, at, id) WHERE grouped IS NOT NULL;

-- name: create_texts
-- The words. The texts themselves stand in `documents`, once.
CREATE VIRTUAL TABLE texts USING fts5 (
    title, text, content = 'documents', content_rowid = 'id',
    tokenize = 'porter unicode61 remove_diacritics 2'
);

-- name: get_applied
-- How far the index is.
SELECT number, mark FROM applied;

-- name: clear_applied
-- Before the next place is noted.
DELETE FROM applied;

-- name: set_applied
-- Note how far the index is.
INSERT INTO applied (number, mark) VALUES (?, ?);

-- name: find_document
-- What is indexed of a record now.
SELECT id, title, text FROM documents WHERE key = ?;

-- name: remove_words
-- FTS5 wants to hear the words again that it is to forget.
INSERT INTO texts (texts, rowid, title, text) VALUES ('delete', ?, ?, ?);

-- name: remove_document
-- Its words have to be removed before.
DELETE FROM documents WHERE id = ?;

-- name: insert_document
-- Its words follow.
INSERT INTO documents (key, title, text, scope, kind, state, at, until, grouped, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: update_document
-- Everything but its words, which are the same.
UPDATE documents SET scope = ?, kind = ?, state = ?, at = ?, until = ?, grouped = ?, data = ?
WHERE id = ?;

-- name: insert_words
-- The words of a document.
INSERT INTO texts (rowid, title, text) VALUES (?, ?, ?);

-- name: count_documents
-- How many documents there are.
SELECT count(*) FROM documents;

-- name: count_word
-- In how many documents a word is, in any of its forms.
SELECT count(*) FROM texts WHERE texts MATCH ?;

-- name: search
-- The best matches in order; `{filter}` is a condition on `documents`. FTS5 sorts by itself,
-- so that only what is returned gets a snippet and is looked up.
SELECT documents.id, documents.key, -texts.rank,
    snippet(texts, 1, '[', ']', '…', 24),
    documents.title, documents.scope, documents.kind, documents.state, documents.at,
    documents.data, documents.grouped
FROM texts CROSS JOIN documents ON documents.id = texts.rowid
WHERE texts MATCH ? AND texts.rank MATCH 'bm25(2.0, 1.0)' AND {filter}
ORDER BY texts.rank LIMIT ?;

-- name: find_neighbours
-- The documents just before and just after one in its group, if they meet the condition `{filter}`.
SELECT id, key, 0.0, text, title, scope, kind, state, at, data, grouped FROM documents
WHERE id IN (
    (
        SELECT id FROM documents
        WHERE grouped = ? AND (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT 1
    ),
    (
        SELECT id FROM documents
        WHERE grouped = ? AND (at, id) > (?, ?) ORDER BY at, id LIMIT 1
    )
) AND {filter};
