-- The CRM's own lists that are imported. `done` is the moment up to which recurring imports are done.
CREATE TABLE overviews (
    integration BIGINT NOT NULL,
    overview TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    tag_name TEXT NOT NULL,
    recurring BIGINT NOT NULL,
    local_time TEXT NOT NULL,
    done BIGINT NOT NULL,
    leaving BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (integration, overview)
);
CREATE UNIQUE INDEX overviews_by_tag ON overviews (integration, tag);

-- Their imports. `cursor` is where reading goes on, `place` the last contact that was settled.
CREATE TABLE overview_imports (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration BIGINT NOT NULL,
    overview TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL,
    confirmed BIGINT NOT NULL,
    state TEXT NOT NULL,
    cursor TEXT,
    place TEXT COLLATE "C",
    read BIGINT NOT NULL DEFAULT 0,
    added BIGINT NOT NULL DEFAULT 0,
    unchanged BIGINT NOT NULL DEFAULT 0,
    skipped BIGINT NOT NULL DEFAULT 0,
    removed BIGINT NOT NULL DEFAULT 0,
    not_removed BIGINT NOT NULL DEFAULT 0,
    accepted_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    failure TEXT
);
CREATE UNIQUE INDEX overview_imports_one_active ON overview_imports (integration, overview) WHERE ended_at IS NULL;
CREATE INDEX overview_imports_of_overview ON overview_imports (integration, overview, number);

-- Who is a member, or was. `read_in` is the import that read him last; `tags`, as JSON, those of the overview that are
-- on his profile, or may be: they are written down before they are set. NULL: there are none. `settled` 0: whether they
-- are is not known. `reason`: why the last import left him as he is.
CREATE TABLE overview_members (
    integration BIGINT NOT NULL,
    overview TEXT COLLATE "C" NOT NULL,
    contact TEXT COLLATE "C" NOT NULL,
    read_in BIGINT,
    forgotten BIGINT NOT NULL DEFAULT 0,
    tags TEXT,
    settled BIGINT NOT NULL DEFAULT 1,
    reason TEXT,
    PRIMARY KEY (integration, overview, contact)
);
CREATE INDEX overview_members_of_contact ON overview_members (integration, contact);
CREATE INDEX overview_members_skipped ON overview_members (integration, overview, contact) WHERE reason IS NOT NULL;
