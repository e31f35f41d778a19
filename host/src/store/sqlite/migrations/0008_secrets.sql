-- Secrets of integrations, sealed: the key that opens them is not in the store; `key` names it.
CREATE TABLE secrets (
    integration INTEGER NOT NULL,
    name TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    set_by TEXT NOT NULL,
    key TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (integration, name)
) STRICT, WITHOUT ROWID;
