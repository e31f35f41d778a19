-- Secrets of integrations, sealed: the key that opens them is not in the store; `key` names it.
CREATE TABLE secrets (
    integration BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    set_at BIGINT NOT NULL,
    set_by TEXT NOT NULL,
    key TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (integration, name)
);
