-- Consents: who shares an address, addresses that are being changed, and the brake.

-- What each contact says on each channel, by address (a digest). `scope` is 0 for what is known, else the dry run
-- that found it. `strict` is 1 where another contact's refusal was taken into account the last time.
CREATE TABLE addresses (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration BIGINT NOT NULL,
    scope BIGINT NOT NULL DEFAULT 0,
    contact TEXT COLLATE "C" NOT NULL,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    answers TEXT NOT NULL,
    strict BIGINT NOT NULL DEFAULT 0,
    UNIQUE (integration, scope, contact, channel)
);
CREATE INDEX addresses_shared ON addresses (integration, channel, address, contact);

-- An address that a profile had and is to lose: from before the new one is written until the old one is opted out.
CREATE TABLE moves (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration BIGINT NOT NULL,
    contact TEXT COLLATE "C" NOT NULL,
    move TEXT NOT NULL
);
CREATE INDEX moves_of_contact ON moves (integration, contact);

-- What the lane is about to do to a profile that the brake counts, with the last moment of each.
CREATE TABLE lane_effects (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration BIGINT NOT NULL,
    contact TEXT COLLATE "C" NOT NULL,
    effect TEXT NOT NULL,
    at BIGINT NOT NULL,
    UNIQUE (integration, contact, effect)
);
CREATE INDEX lane_effects_at ON lane_effects (integration, at);

-- Set: the lane waits until somebody approves of what it would do, which is this.
ALTER TABLE lanes ADD COLUMN hold TEXT;
-- The last approval: what was done before is not counted.
ALTER TABLE lanes ADD COLUMN approved_at BIGINT;

-- The same for a run: what it waits with, and whether somebody approved.
ALTER TABLE runs ADD COLUMN hold TEXT;
ALTER TABLE runs ADD COLUMN approved BIGINT NOT NULL DEFAULT 0;
-- Of a dry run: the definition that it tries in place of the integration's own.
ALTER TABLE runs ADD COLUMN trial TEXT;
-- Of a dry run: what each contact's profile has and would have.
ALTER TABLE run_contacts ADD COLUMN difference TEXT;
-- Of a dry run: what each staged profile was found to have.
ALTER TABLE stage ADD COLUMN found TEXT;

-- Nothing is known yet of who shares an address with whom.
INSERT INTO needs (integration, code, message, times, since, last)
    SELECT number, 'addresses-unread', 'who shares an address with whom is known once all contacts were read', 1,
        CAST(extract(epoch FROM now()) * 1000000 AS BIGINT), CAST(extract(epoch FROM now()) * 1000000 AS BIGINT)
    FROM integrations WHERE true ON CONFLICT DO NOTHING;
