-- A draft: what was uploaded, what people chose and changed, and the preview of it.
CREATE TABLE head (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    file_name TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, format TEXT NOT NULL,
    by_name TEXT NOT NULL, by_how TEXT NOT NULL, at TEXT NOT NULL,
    revision INTEGER NOT NULL DEFAULT 1, step TEXT NOT NULL DEFAULT 'sheet',
    sheet TEXT, header_row INTEGER, mapping TEXT NOT NULL,
    plan TEXT, problem TEXT NOT NULL DEFAULT '', busy TEXT NOT NULL DEFAULT '', holder TEXT NOT NULL DEFAULT '',
    previewed_at TEXT NOT NULL DEFAULT '', changed_by TEXT NOT NULL
) STRICT;

-- Smaller things as JSON: sheets, first rows, the table that was judged, what was looked up.
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- What was found by external ID at the target and in the ledger.
CREATE TABLE facts (
    scope TEXT NOT NULL, external_id TEXT NOT NULL, found TEXT NOT NULL, PRIMARY KEY (scope, external_id)
) STRICT, WITHOUT ROWID;

-- The preview. `cells` and `marks` are as the file has them; `texts` has the cells as they are sent, folded.
CREATE TABLE rows (
    position INTEGER PRIMARY KEY, line INTEGER NOT NULL UNIQUE, file_line INTEGER,
    cells TEXT NOT NULL, marks TEXT NOT NULL, verdict TEXT NOT NULL, external_id TEXT NOT NULL, asked TEXT,
    queue TEXT NOT NULL, task_id TEXT, warning INTEGER NOT NULL, findings TEXT NOT NULL
) STRICT;
CREATE INDEX rows_by_verdict ON rows (verdict);
CREATE INDEX rows_with_warning ON rows (warning) WHERE warning = 1;
CREATE INDEX rows_by_external_id ON rows (external_id);
CREATE INDEX rows_by_asked ON rows (asked, verdict);
CREATE TABLE texts (position INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
-- The causes that each row has, once; `alone`: it is the only error.
CREATE TABLE found (
    position INTEGER NOT NULL, code TEXT NOT NULL, heading TEXT NOT NULL, value TEXT NOT NULL,
    severity INTEGER NOT NULL, alone INTEGER NOT NULL, PRIMARY KEY (position, code, heading, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX found_by_cause ON found (code, heading, value, severity, alone);
CREATE INDEX found_by_heading ON found (heading, position);
-- What a row names and the target does not know.
CREATE TABLE unknown (
    position INTEGER NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (position, field, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX unknown_by_value ON unknown (field, value);

-- What people changed: the present state, and how it came about. In `changes`, column -1 is the row as a whole.
CREATE TABLE fixes (
    line INTEGER NOT NULL, column INTEGER NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL,
    who TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (line, column)
) STRICT, WITHOUT ROWID;
CREATE TABLE skipped (line INTEGER PRIMARY KEY, reason TEXT NOT NULL) STRICT;
CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, words TEXT NOT NULL, who TEXT NOT NULL, at TEXT NOT NULL,
    cells INTEGER NOT NULL, undone INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE changes (
    batch INTEGER NOT NULL, line INTEGER NOT NULL, column INTEGER NOT NULL, before TEXT, after TEXT,
    PRIMARY KEY (batch, line, column)
) STRICT, WITHOUT ROWID;
CREATE INDEX changes_by_cell ON changes (line, column, batch);
