-- The tables of the embedded store, as they are after its own first two migrations; what each is for is said
-- there. Moments are microseconds since 1970, UTC; flags are 0 and 1; lists and vocabulary types are JSON text.
-- Contacts are ordered by their bytes, as the embedded store orders them.

CREATE TABLE integrations (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    definition TEXT NOT NULL,
    revision BIGINT NOT NULL DEFAULT 1,
    enabled BIGINT NOT NULL DEFAULT 1,
    retiring BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE runs (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration BIGINT NOT NULL,
    kind TEXT NOT NULL,
    forced BIGINT NOT NULL,
    phase TEXT NOT NULL,
    cursor TEXT,
    read_to_end BIGINT NOT NULL DEFAULT 0,
    total BIGINT,
    cancel_requested BIGINT NOT NULL DEFAULT 0,
    accepted_at BIGINT NOT NULL,
    ended_at BIGINT,
    failure TEXT,
    read BIGINT NOT NULL DEFAULT 0,
    created BIGINT NOT NULL DEFAULT 0,
    updated BIGINT NOT NULL DEFAULT 0,
    unchanged BIGINT NOT NULL DEFAULT 0,
    excluded BIGINT NOT NULL DEFAULT 0,
    rejected BIGINT NOT NULL DEFAULT 0,
    deleted BIGINT NOT NULL DEFAULT 0,
    discarded BIGINT NOT NULL DEFAULT 0,
    absent_up_to BIGINT NOT NULL DEFAULT 0,
    left_stage BIGINT NOT NULL DEFAULT 0,
    details_kept BIGINT NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX runs_one_active ON runs (integration) WHERE ended_at IS NULL;
CREATE INDEX runs_of_integration ON runs (integration, id);
CREATE INDEX runs_left_stage ON runs (integration, id) WHERE left_stage = 1;

CREATE TABLE run_contacts (
    run BIGINT NOT NULL,
    contact TEXT COLLATE "C" NOT NULL,
    outcome TEXT,
    reason TEXT,
    PRIMARY KEY (run, contact)
);

CREATE TABLE stage (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run BIGINT NOT NULL,
    contact TEXT COLLATE "C" NOT NULL,
    modified_at BIGINT,
    intent TEXT NOT NULL,
    existed BIGINT,
    known_consents TEXT,
    tried BIGINT NOT NULL DEFAULT 0,
    UNIQUE (run, contact)
);
CREATE INDEX stage_open ON stage (run, contact) WHERE tried = 0;

CREATE TABLE discards (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run BIGINT NOT NULL,
    discard TEXT NOT NULL
);
CREATE INDEX discards_of_run ON discards (run, number);

CREATE TABLE batches (
    run BIGINT NOT NULL,
    number BIGINT NOT NULL,
    first TEXT COLLATE "C" NOT NULL,
    last TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL,
    import_id TEXT,
    PRIMARY KEY (run, number)
);

CREATE TABLE ledger (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration BIGINT NOT NULL,
    contact TEXT COLLATE "C" NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    written TEXT,
    modified_at BIGINT,
    deleted_at BIGINT,
    run BIGINT,
    at BIGINT NOT NULL,
    UNIQUE (integration, contact)
);

CREATE TABLE leftovers (
    part TEXT NOT NULL,
    owner BIGINT NOT NULL,
    PRIMARY KEY (part, owner)
);

CREATE TABLE components (
    name TEXT PRIMARY KEY,
    component BYTEA NOT NULL
);

CREATE TABLE hosts (
    host TEXT PRIMARY KEY,
    until BIGINT NOT NULL
);

CREATE TABLE leases (
    integration BIGINT PRIMARY KEY,
    number BIGINT NOT NULL DEFAULT 0,
    host TEXT,
    until BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE webhooks (
    integration BIGINT PRIMARY KEY,
    key TEXT NOT NULL,
    previous_key TEXT,
    previous_until BIGINT,
    state TEXT
);

CREATE TABLE lanes (
    integration BIGINT PRIMARY KEY,
    pause TEXT,
    daily_done BIGINT NOT NULL,
    keep_for BIGINT NOT NULL,
    forged BIGINT NOT NULL DEFAULT 0,
    stale BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE needs (
    integration BIGINT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    times BIGINT NOT NULL,
    since BIGINT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (integration, code)
);

-- Rows of these tables come and go all the time: they are vacuumed early, and whatever the tables' size.
CREATE TABLE deliveries (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration BIGINT NOT NULL,
    id TEXT,
    arrived_at BIGINT NOT NULL,
    headers TEXT NOT NULL,
    query TEXT NOT NULL,
    body BYTEA NOT NULL,
    decoded BIGINT NOT NULL DEFAULT 0,
    due BIGINT NOT NULL DEFAULT 0,
    attempts BIGINT NOT NULL DEFAULT 0,
    outcome TEXT,
    dead BIGINT NOT NULL DEFAULT 0,
    cause TEXT,
    cause_code TEXT,
    ended_at BIGINT,
    forget_at BIGINT,
    UNIQUE (integration, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX deliveries_undecoded ON deliveries (integration, due, number) WHERE decoded = 0 AND ended_at IS NULL;
CREATE INDEX deliveries_of_integration ON deliveries (integration, number);
CREATE INDEX deliveries_with_cause ON deliveries (integration, dead, cause_code, number)
    WHERE cause_code IS NOT NULL;
CREATE INDEX deliveries_to_forget ON deliveries (forget_at) WHERE forget_at IS NOT NULL;

CREATE TABLE changes (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration BIGINT NOT NULL,
    delivery BIGINT NOT NULL,
    contact TEXT COLLATE "C",
    kind TEXT NOT NULL,
    change TEXT,
    arrived_at BIGINT NOT NULL,
    outcome TEXT,
    dead BIGINT NOT NULL DEFAULT 0,
    cause TEXT,
    superseded_by BIGINT,
    steps TEXT,
    ended_at BIGINT
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX changes_open ON changes (integration, contact, number) WHERE outcome IS NULL;
CREATE INDEX changes_of_contact ON changes (integration, contact, number);
CREATE INDEX changes_of_delivery ON changes (delivery);

CREATE TABLE waiting (
    integration BIGINT NOT NULL,
    contact TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    due BIGINT NOT NULL DEFAULT 0,
    attempts BIGINT NOT NULL DEFAULT 0,
    cause TEXT,
    existed BIGINT,
    PRIMARY KEY (integration, contact)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX waiting_due ON waiting (integration, due, since);

CREATE TABLE lane_attempts (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration BIGINT NOT NULL,
    contact TEXT COLLATE "C" NOT NULL,
    intent TEXT NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX lane_attempts_of_contact ON lane_attempts (integration, contact);

CREATE TABLE newcomers (
    integration BIGINT NOT NULL,
    contact TEXT COLLATE "C" NOT NULL,
    state TEXT,
    PRIMARY KEY (integration, contact)
);
