-- What a full sync is needed for, and which contacts are doubted.

-- JSON: what the need is about, such as mapping rows.
ALTER TABLE needs ADD COLUMN subjects TEXT NOT NULL DEFAULT '[]';
-- The newest run there was: only a later one clears the need.
ALTER TABLE needs ADD COLUMN after_run INTEGER NOT NULL DEFAULT 0;
UPDATE needs SET after_run = (SELECT coalesce(max(id), 0) FROM runs WHERE runs.integration = needs.integration);
INSERT INTO needs (integration, code, message, times, since, last)
    SELECT number, 'never-synced', 'no full sync has completed yet', 1,
        CAST(unixepoch('subsec') * 1000000 AS INTEGER), CAST(unixepoch('subsec') * 1000000 AS INTEGER)
    FROM integrations WHERE NOT EXISTS (
        SELECT 1 FROM runs WHERE integration = number AND kind = 'full-sync' AND phase = 'completed');

-- Contacts of which APSIS One was found not to have what was written: not taken for done until they are written
-- again. `opt_outs` is what they are opted in to and should not be, as JSON; made by the next full sync before it
-- reads.
CREATE TABLE doubts (
    integration INTEGER NOT NULL,
    contact TEXT NOT NULL,
    -- What was last written.
    intent TEXT,
    opt_outs TEXT NOT NULL,
    PRIMARY KEY (integration, contact)
) STRICT, WITHOUT ROWID;
