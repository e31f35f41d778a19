-- Sessions of browsers: of each secret the digest only. One ends with its token.
CREATE TABLE sessions (
    digest BYTEA NOT NULL PRIMARY KEY,
    token TEXT COLLATE "C" NOT NULL,
    token_digest BYTEA NOT NULL,
    opened_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_age ON sessions (opened_at);
