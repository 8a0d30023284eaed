ALTER TABLE runs ADD COLUMN state_seal BLOB;
ALTER TABLE approvals ADD COLUMN seal BLOB;
CREATE TABLE calls (
    call INTEGER PRIMARY KEY,
    no INTEGER NOT NULL REFERENCES runs,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    began_at TEXT NOT NULL,
    ended_at TEXT,
    answer TEXT,
    correlation_id TEXT,
    seal BLOB NOT NULL
);
CREATE INDEX calls_in_doubt ON calls (no, call) WHERE ended_at IS NULL;
CREATE TABLE call_rows (
    call INTEGER NOT NULL REFERENCES calls,
    position INTEGER NOT NULL,
    PRIMARY KEY (call, position)
) WITHOUT ROWID;
CREATE TABLE trails (
    no INTEGER NOT NULL,
    position INTEGER NOT NULL,
    states BLOB,
    audits BLOB,
    PRIMARY KEY (no, position)
) WITHOUT ROWID;
CREATE TABLE leases (
    no INTEGER PRIMARY KEY REFERENCES runs,
    token TEXT NOT NULL,
    boot TEXT NOT NULL,
    space TEXT NOT NULL,
    process INTEGER NOT NULL,
    started TEXT NOT NULL,
    until_s REAL NOT NULL,
    lasts_s REAL NOT NULL,
    seal BLOB NOT NULL
);
CREATE TABLE marks (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    seal BLOB NOT NULL
) WITHOUT ROWID;
