-- What was told of an integration, and what is to be, as JSON.
CREATE TABLE alerts (
    integration INTEGER NOT NULL PRIMARY KEY,
    state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
