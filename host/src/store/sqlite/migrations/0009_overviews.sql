-- The CRM's own lists that are imported. `done` is the moment up to which recurring imports are done.
CREATE TABLE overviews (
    integration INTEGER NOT NULL,
    overview TEXT NOT NULL,
    name TEXT NOT NULL,
    tag TEXT NOT NULL,
    tag_name TEXT NOT NULL,
    recurring INTEGER NOT NULL,
    local_time TEXT NOT NULL,
    done INTEGER NOT NULL,
    leaving INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (integration, overview)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX overviews_by_tag ON overviews (integration, tag);

-- Their imports. `cursor` is where reading goes on, `place` the last contact that was settled.
CREATE TABLE overview_imports (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    integration INTEGER NOT NULL,
    overview TEXT NOT NULL,
    kind TEXT NOT NULL,
    confirmed INTEGER NOT NULL,
    state TEXT NOT NULL,
    cursor TEXT,
    place TEXT,
    read INTEGER NOT NULL DEFAULT 0,
    added INTEGER NOT NULL DEFAULT 0,
    unchanged INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    removed INTEGER NOT NULL DEFAULT 0,
    not_removed INTEGER NOT NULL DEFAULT 0,
    accepted_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    failure TEXT
) STRICT;
CREATE UNIQUE INDEX overview_imports_one_active ON overview_imports (integration, overview) WHERE ended_at IS NULL;
CREATE INDEX overview_imports_of_overview ON overview_imports (integration, overview, number);

-- Who is a member, or was. `read_in` is the import that read him last; `tags`, as JSON, those of the overview that are
-- on his profile, or may be: they are written down before they are set. NULL: there are none. `settled` 0: whether they
-- are is not known. `reason`: why the last import left him as he is.
CREATE TABLE overview_members (
    integration INTEGER NOT NULL,
    overview TEXT NOT NULL,
    contact TEXT NOT NULL,
    read_in INTEGER,
    forgotten INTEGER NOT NULL DEFAULT 0,
    tags TEXT,
    settled INTEGER NOT NULL DEFAULT 1,
    reason TEXT,
    PRIMARY KEY (integration, overview, contact)
) STRICT, WITHOUT ROWID;
CREATE INDEX overview_members_of_contact ON overview_members (integration, contact);
CREATE INDEX overview_members_skipped ON overview_members (integration, overview, contact) WHERE reason IS NOT NULL;
