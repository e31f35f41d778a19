-- Sessions of browsers: of each secret the digest only. One ends with its token.
CREATE TABLE sessions (
    digest BLOB NOT NULL PRIMARY KEY,
    token TEXT NOT NULL,
    token_digest BLOB NOT NULL,
    opened_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_age ON sessions (opened_at);
