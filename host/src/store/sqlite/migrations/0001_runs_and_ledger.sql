-- Moments are microseconds since 1970, UTC. Lists and vocabulary types are JSON text.

-- `number` is what other tables refer to: an integration that is deleted and applied again under the
-- same id is another one, and inherits nothing.
CREATE TABLE integrations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    definition TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    integration INTEGER NOT NULL,
    forced INTEGER NOT NULL,
    phase TEXT NOT NULL,
    cursor TEXT,
    read_to_end INTEGER NOT NULL DEFAULT 0,
    total INTEGER,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    accepted_at INTEGER NOT NULL,
    ended_at INTEGER,
    failure TEXT,
    read INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL DEFAULT 0,
    updated INTEGER NOT NULL DEFAULT 0,
    unchanged INTEGER NOT NULL DEFAULT 0,
    excluded INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    discarded INTEGER NOT NULL DEFAULT 0,
    -- Staged rows up to this one, of which nothing is known, had no profile.
    absent_up_to INTEGER NOT NULL DEFAULT 0,
    -- 1: it has ended and left rows in the stage that may have been written.
    left_stage INTEGER NOT NULL DEFAULT 0,
    -- 0: contacts, discards and batches are dropped, or about to be, and are not shown.
    details_kept INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX runs_one_active ON runs (integration) WHERE ended_at IS NULL;
CREATE INDEX runs_of_integration ON runs (integration, id);
CREATE INDEX runs_left_stage ON runs (integration, id) WHERE left_stage;

-- Every contact that a run has read, with its outcome once it has one.
CREATE TABLE run_contacts (
    run INTEGER NOT NULL,
    contact TEXT NOT NULL,
    outcome TEXT,
    reason TEXT,
    PRIMARY KEY (run, contact)
) STRICT, WITHOUT ROWID;

-- What is still to be written: a row goes when its contact gets its outcome. One that may have been
-- written in part stays: of a contact that was refused (`tried`), and of a run that ended before all were
-- written. It goes when that contact is next written.
CREATE TABLE stage (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL,
    contact TEXT NOT NULL,
    modified_at INTEGER,
    intent TEXT NOT NULL,
    existed INTEGER,
    known_consents TEXT,
    tried INTEGER NOT NULL DEFAULT 0,
    UNIQUE (run, contact)
) STRICT;
CREATE INDEX stage_open ON stage (run, contact) WHERE NOT tried;

CREATE TABLE discards (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL,
    discard TEXT NOT NULL
) STRICT;
CREATE INDEX discards_of_run ON discards (run, number);

CREATE TABLE batches (
    run INTEGER NOT NULL,
    number INTEGER NOT NULL,
    first TEXT NOT NULL,
    last TEXT NOT NULL,
    state TEXT NOT NULL,
    import_id TEXT,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

-- The last known outcome of each contact of an integration.
CREATE TABLE ledger (
    number INTEGER PRIMARY KEY,
    integration INTEGER NOT NULL,
    contact TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    written TEXT,
    modified_at INTEGER,
    run INTEGER NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (integration, contact)
) STRICT;

-- Rows that nothing shows any more, to be deleted a few at a time: `part` is the table, `owner` the
-- run or integration whose rows they are.
CREATE TABLE leftovers (
    part TEXT NOT NULL,
    owner INTEGER NOT NULL,
    PRIMARY KEY (part, owner)
) STRICT, WITHOUT ROWID;
