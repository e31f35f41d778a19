-- Why: what contacts looked like when they were last read, what was done for them, and who was forgotten.

-- `state` and `explained` are JSON, deflated. `explained_at`: when the rules made that of it; not `at`, where
-- nothing has changed since.
CREATE TABLE seen (
    integration BIGINT NOT NULL,
    contact TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    state BYTEA NOT NULL,
    explained BYTEA,
    explained_at BIGINT,
    forget_at BIGINT NOT NULL,
    PRIMARY KEY (integration, contact)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX seen_to_forget ON seen (forget_at);

-- What was done because of a run or a change (`kind`). `part` 1: the opt-outs before a bulk import. `outcome` is
-- null where it is tried again. `told` is JSON, deflated.
CREATE TABLE stories (
    integration BIGINT NOT NULL,
    contact TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL,
    number BIGINT NOT NULL,
    part BIGINT NOT NULL DEFAULT 0,
    at BIGINT NOT NULL,
    outcome TEXT,
    told BYTEA NOT NULL,
    forget_at BIGINT NOT NULL,
    PRIMARY KEY (integration, contact, kind, number, part)
);
CREATE INDEX stories_to_forget ON stories (forget_at);

-- Contacts that were forgotten, by the SHA-256 of the integration's salt and the id. `contact` is the id until it is
-- erased from APSIS One and from the store; `purged` is 1 once nothing of it is left in the store's files.
CREATE TABLE forgotten (
    integration BIGINT NOT NULL,
    digest TEXT NOT NULL,
    at BIGINT NOT NULL,
    contact TEXT COLLATE "C",
    erased TEXT,
    purged BIGINT NOT NULL DEFAULT 0,
    failure TEXT,
    PRIMARY KEY (integration, digest)
);
CREATE INDEX forgotten_open ON forgotten (integration) WHERE purged = 0;

-- How long stories are kept, microseconds.
ALTER TABLE lanes ADD COLUMN story_for BIGINT NOT NULL DEFAULT 7776000000000;
-- What contacts' ids are digested with, once one is forgotten.
ALTER TABLE lanes ADD COLUMN salt TEXT;
