-- Judged rows until they take the place of what the draft has; gone with the connection.
CREATE TEMP TABLE staged_rows (
    position INTEGER PRIMARY KEY, line INTEGER, file_line INTEGER, cells TEXT, marks TEXT, verdict TEXT,
    external_id TEXT, asked TEXT, queue TEXT, task_id TEXT, warning INTEGER, findings TEXT
);
CREATE TEMP TABLE staged_texts (position INTEGER PRIMARY KEY, text TEXT);
CREATE TEMP TABLE staged_found (position INTEGER, code TEXT, heading TEXT, value TEXT, severity INTEGER, alone INTEGER);
CREATE TEMP TABLE staged_unknown (position INTEGER, field TEXT, value TEXT);
CREATE TEMP TABLE staged_changes (
    line INTEGER, column INTEGER, before TEXT, after TEXT, PRIMARY KEY (line, column)
) WITHOUT ROWID;
CREATE TEMP TABLE affected (position INTEGER PRIMARY KEY);
CREATE TEMP TABLE affected_ids (external_id TEXT PRIMARY KEY) WITHOUT ROWID;
