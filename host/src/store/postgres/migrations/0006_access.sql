-- Tokens: of each secret the digest only. `scope` is JSON: all integrations, or some.
CREATE TABLE tokens (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    used_at BIGINT,
    digest BYTEA NOT NULL
);

-- Who did what on purpose. It outlives the integrations that it names.
CREATE TABLE journal (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    integration TEXT COLLATE "C",
    about TEXT,
    before TEXT,
    after TEXT,
    failure TEXT,
    ended_at BIGINT
);
CREATE INDEX journal_of_integration ON journal (integration, number);

-- Answers that are given again to whoever repeats a request under its key.
CREATE TABLE answers (
    who TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    request BYTEA NOT NULL,
    at BIGINT NOT NULL,
    status BIGINT,
    headers TEXT,
    body BYTEA,
    PRIMARY KEY (who, key)
);
CREATE INDEX answers_by_age ON answers (at);
