-- Real time: deliveries and their changes, the lane, and who works on what.

-- Grows with every change of what is said of an integration.
ALTER TABLE integrations ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
-- 0: what comes in is stored and held.
ALTER TABLE integrations ADD COLUMN enabled INTEGER NOT NULL DEFAULT 1;
-- 1: to be deleted once its webhook is taken back.
ALTER TABLE integrations ADD COLUMN retiring INTEGER NOT NULL DEFAULT 0;

ALTER TABLE runs ADD COLUMN kind TEXT NOT NULL DEFAULT 'full-sync';
ALTER TABLE runs ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;

-- The same indexes, with their conditions written as both engines understand them.
DROP INDEX runs_left_stage;
CREATE INDEX runs_left_stage ON runs (integration, id) WHERE left_stage = 1;
DROP INDEX stage_open;
CREATE INDEX stage_open ON stage (run, contact) WHERE tried = 0;

-- The same as before, but for `run`, which is null where a change in real time was the last to say something,
-- and `deleted_at`.
CREATE TABLE ledger_now (
    number INTEGER PRIMARY KEY,
    integration INTEGER NOT NULL,
    contact TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    written TEXT,
    modified_at INTEGER,
    deleted_at INTEGER,
    run INTEGER,
    at INTEGER NOT NULL,
    UNIQUE (integration, contact)
) STRICT;
INSERT INTO ledger_now (number, integration, contact, outcome, reason, written, modified_at, run, at)
    SELECT number, integration, contact, outcome, reason, written, modified_at, run, at FROM ledger;
DROP TABLE ledger;
ALTER TABLE ledger_now RENAME TO ledger;

-- Connectors, by `sha256:<digest>`.
CREATE TABLE components (
    name TEXT PRIMARY KEY,
    component BLOB NOT NULL
) STRICT;

-- Hosts that are there, each until a moment.
CREATE TABLE hosts (
    host TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who works on an integration. `number` grows each time it changes hands. Whoever changes something of an
-- integration's lane or runs holds this row for the transaction, so that there is one at a time.
CREATE TABLE leases (
    integration INTEGER PRIMARY KEY,
    number INTEGER NOT NULL DEFAULT 0,
    host TEXT,
    until INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The address that the CRM delivers to ends in `key`; `state` is the subscription in the CRM.
CREATE TABLE webhooks (
    integration INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    previous_key TEXT,
    previous_until INTEGER,
    state TEXT
) STRICT;

CREATE TABLE lanes (
    integration INTEGER PRIMARY KEY,
    pause TEXT,
    -- The moment up to which daily runs are done.
    daily_done INTEGER NOT NULL,
    -- How long a delivery is kept after its end, microseconds.
    keep_for INTEGER NOT NULL,
    forged INTEGER NOT NULL DEFAULT 0,
    stale INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What a full sync is needed for.
CREATE TABLE needs (
    integration INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    times INTEGER NOT NULL,
    since INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (integration, code)
) STRICT, WITHOUT ROWID;

INSERT INTO leases (integration) SELECT number FROM integrations;
INSERT INTO webhooks (integration, key) SELECT number, lower(hex(randomblob(16))) FROM integrations;
INSERT INTO lanes (integration, daily_done, keep_for)
    SELECT number, CAST(unixepoch('subsec') * 1000000 AS INTEGER), 14 * 86400000000 FROM integrations;

-- Deliveries, raw, in the order in which they came. It waits to be decoded while `decoded` is 0 and it has not
-- ended; from `due` on, 0 meaning at once. It ends when all its changes have.
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    integration INTEGER NOT NULL,
    -- The CRM's own.
    id TEXT,
    arrived_at INTEGER NOT NULL,
    headers TEXT NOT NULL,
    query TEXT NOT NULL,
    body BLOB NOT NULL,
    decoded INTEGER NOT NULL DEFAULT 0,
    due INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    outcome TEXT,
    -- 1: a dead letter.
    dead INTEGER NOT NULL DEFAULT 0,
    cause TEXT,
    cause_code TEXT,
    ended_at INTEGER,
    -- When it may be deleted.
    forget_at INTEGER,
    UNIQUE (integration, id)
) STRICT;
CREATE INDEX deliveries_undecoded ON deliveries (integration, due, number) WHERE decoded = 0 AND ended_at IS NULL;
CREATE INDEX deliveries_of_integration ON deliveries (integration, number);
CREATE INDEX deliveries_with_cause ON deliveries (integration, dead, cause_code, number) WHERE cause_code IS NOT NULL;
CREATE INDEX deliveries_to_forget ON deliveries (forget_at) WHERE forget_at IS NOT NULL;

CREATE TABLE changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    integration INTEGER NOT NULL,
    delivery INTEGER NOT NULL,
    contact TEXT,
    kind TEXT NOT NULL,
    -- What it says. Dropped when it ends: it holds personal data, and the delivery has it, too.
    change TEXT,
    arrived_at INTEGER NOT NULL,
    outcome TEXT,
    dead INTEGER NOT NULL DEFAULT 0,
    cause TEXT,
    superseded_by INTEGER,
    steps TEXT,
    ended_at INTEGER
) STRICT;
CREATE INDEX changes_open ON changes (integration, contact, number) WHERE outcome IS NULL;
CREATE INDEX changes_of_contact ON changes (integration, contact, number);
CREATE INDEX changes_of_delivery ON changes (delivery);

-- Contacts with open changes: what the lane takes from. `since` is the delivery of the oldest one; it waits until
-- `due`, 0 meaning that it is due.
CREATE TABLE waiting (
    integration INTEGER NOT NULL,
    contact TEXT NOT NULL,
    since INTEGER NOT NULL,
    due INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    cause TEXT,
    existed INTEGER,
    PRIMARY KEY (integration, contact)
) STRICT, WITHOUT ROWID;
CREATE INDEX waiting_due ON waiting (integration, due, since);

-- What the lane may have written and has no outcome for.
CREATE TABLE lane_attempts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    integration INTEGER NOT NULL,
    contact TEXT NOT NULL,
    intent TEXT NOT NULL
) STRICT;
CREATE INDEX lane_attempts_of_contact ON lane_attempts (integration, contact);

-- Contacts without a profile that wait for the daily run.
CREATE TABLE newcomers (
    integration INTEGER NOT NULL,
    contact TEXT NOT NULL,
    state TEXT,
    PRIMARY KEY (integration, contact)
) STRICT, WITHOUT ROWID;
