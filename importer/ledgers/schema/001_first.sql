CREATE TABLE environments (
    env INTEGER PRIMARY KEY,
    target TEXT NOT NULL,
    origin TEXT NOT NULL,
    UNIQUE (target, origin)
);
CREATE TABLE runs (
    no INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    plan TEXT NOT NULL UNIQUE,
    env INTEGER NOT NULL REFERENCES environments,
    head TEXT NOT NULL,
    about TEXT NOT NULL,
    approval TEXT,
    settings TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    out TEXT NOT NULL,
    state TEXT NOT NULL,
    note TEXT NOT NULL,
    seal BLOB NOT NULL
);
CREATE TABLE rows (
    no INTEGER NOT NULL REFERENCES runs,
    position INTEGER NOT NULL,
    line INTEGER NOT NULL,
    file_line INTEGER,
    cells TEXT NOT NULL,
    external_id TEXT NOT NULL,
    queue TEXT NOT NULL,
    findings TEXT NOT NULL,
    payload TEXT NOT NULL,
    env INTEGER NOT NULL,
    fixed BLOB NOT NULL,
    stage TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    resends INTEGER NOT NULL,
    doubted INTEGER NOT NULL,
    conflicts INTEGER NOT NULL,
    task_id TEXT,
    state TEXT,
    reason TEXT NOT NULL,
    correlation_id TEXT,
    audits TEXT NOT NULL,
    audit_count INTEGER,
    seal BLOB NOT NULL,
    PRIMARY KEY (no, position)
) WITHOUT ROWID;
CREATE INDEX rows_by_stage ON rows (no, stage, position);
CREATE INDEX rows_holding ON rows (env, external_id) WHERE stage IN ('sending', 'doubt', 'unknown', 'created');
CREATE TABLE states (
    no INTEGER NOT NULL,
    position INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    state TEXT NOT NULL,
    at TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (no, position, sequence)
) WITHOUT ROWID;
CREATE TABLE audit_entries (
    no INTEGER NOT NULL,
    position INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    id TEXT NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    at TEXT NOT NULL,
    diff TEXT NOT NULL,
    PRIMARY KEY (no, position, sequence)
) WITHOUT ROWID;
CREATE TABLE approvals (
    sequence INTEGER PRIMARY KEY,
    plan TEXT NOT NULL,
    digest TEXT NOT NULL,
    approved INTEGER NOT NULL,
    who TEXT NOT NULL,
    at TEXT NOT NULL,
    comment TEXT NOT NULL
);
