-- Tokens: of each secret the digest only. `scope` is JSON: all integrations, or some.
CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    used_at INTEGER,
    digest BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Who did what on purpose. It outlives the integrations that it names.
CREATE TABLE journal (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    integration TEXT,
    about TEXT,
    before TEXT,
    after TEXT,
    failure TEXT,
    ended_at INTEGER
) STRICT;
CREATE INDEX journal_of_integration ON journal (integration, number);

-- Answers that are given again to whoever repeats a request under its key.
CREATE TABLE answers (
    who TEXT NOT NULL,
    key TEXT NOT NULL,
    request BLOB NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER,
    headers TEXT,
    body BLOB,
    PRIMARY KEY (who, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_by_age ON answers (at);
