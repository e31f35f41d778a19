-- Where a run reads contacts: in the CRM, or in what is known of them.
ALTER TABLE runs ADD COLUMN source TEXT NOT NULL DEFAULT 'crm';

-- What the person had opted out of in APSIS One when the contact's profile was deleted, as JSON: should the contact come
-- back, its new profile does not know of it.
CREATE TABLE opt_outs (
    integration BIGINT NOT NULL,
    contact TEXT COLLATE "C" NOT NULL,
    consents TEXT NOT NULL,
    PRIMARY KEY (integration, contact)
);
