-- Why: what contacts looked like when they were last read, what was done for them, and who was forgotten.

-- `state` and `explained` are JSON, deflated. `explained_at`: when the rules made that of it; not `at`, where
-- nothing has changed since.
CREATE TABLE seen (
    integration INTEGER NOT NULL,
    contact TEXT NOT NULL,
    at INTEGER NOT NULL,
    state BLOB NOT NULL,
    explained BLOB,
    explained_at INTEGER,
    forget_at INTEGER NOT NULL,
    PRIMARY KEY (integration, contact)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_to_forget ON seen (forget_at);

-- What was done because of a run or a change (`kind`). `part` 1: the opt-outs before a bulk import. `outcome` is
-- null where it is tried again. `told` is JSON, deflated.
CREATE TABLE stories (
    integration INTEGER NOT NULL,
    contact TEXT NOT NULL,
    kind TEXT NOT NULL,
    number INTEGER NOT NULL,
    part INTEGER NOT NULL DEFAULT 0,
    at INTEGER NOT NULL,
    outcome TEXT,
    told BLOB NOT NULL,
    forget_at INTEGER NOT NULL,
    PRIMARY KEY (integration, contact, kind, number, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX stories_to_forget ON stories (forget_at);

-- Contacts that were forgotten, by the SHA-256 of the integration's salt and the id. `contact` is the id until it is
-- erased from APSIS One and from the store; `purged` is 1 once nothing of it is left in the store's files.
CREATE TABLE forgotten (
    integration INTEGER NOT NULL,
    digest TEXT NOT NULL,
    at INTEGER NOT NULL,
    contact TEXT,
    erased TEXT,
    purged INTEGER NOT NULL DEFAULT 0,
    failure TEXT,
    PRIMARY KEY (integration, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX forgotten_open ON forgotten (integration) WHERE purged = 0;

-- How long stories are kept, microseconds.
ALTER TABLE lanes ADD COLUMN story_for INTEGER NOT NULL DEFAULT 7776000000000;
-- What contacts' ids are digested with, once one is forgotten.
ALTER TABLE lanes ADD COLUMN salt TEXT;
