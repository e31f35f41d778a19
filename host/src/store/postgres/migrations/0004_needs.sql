-- What a full sync is needed for, and which contacts are doubted; see the embedded store's migration of this name.

ALTER TABLE needs ADD COLUMN subjects TEXT NOT NULL DEFAULT '[]';
ALTER TABLE needs ADD COLUMN after_run BIGINT NOT NULL DEFAULT 0;
UPDATE needs SET after_run = (SELECT coalesce(max(id), 0) FROM runs WHERE runs.integration = needs.integration);
INSERT INTO needs (integration, code, message, times, since, last)
    SELECT number, 'never-synced', 'no full sync has completed yet', 1,
        CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT),
        CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)
    FROM integrations WHERE NOT EXISTS (
        SELECT 1 FROM runs WHERE integration = number AND kind = 'full-sync' AND phase = 'completed');

CREATE TABLE doubts (
    integration BIGINT NOT NULL,
    contact TEXT COLLATE "C" NOT NULL,
    intent TEXT,
    opt_outs TEXT NOT NULL,
    PRIMARY KEY (integration, contact)
);
