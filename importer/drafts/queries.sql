-- name: begin_head
INSERT INTO head (only, file_name, sha256, size, format, by_name, by_how, at, mapping, changed_by)
VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?);
-- name: head
SELECT file_name, sha256, size, format, by_name, by_how, at, revision, step, sheet, header_row, mapping, plan, problem,
    busy, holder, previewed_at, changed_by, (SELECT count(*) FROM fixes),
    (SELECT json_extract(value, '$.environment') FROM notes WHERE name = 'judged') FROM head;
-- name: revise
UPDATE head SET revision = revision + 1, changed_by = ?, plan = NULL;
-- name: set_sheet
UPDATE head SET sheet = ?, header_row = ?, step = 'columns', previewed_at = '', problem = '';
-- name: set_mapping
UPDATE head SET mapping = ?, step = 'rows', previewed_at = '', problem = '';
-- name: set_step
UPDATE head SET step = ?;
-- name: set_busy
UPDATE head SET busy = ?, holder = ?, problem = '';
-- name: set_idle
UPDATE head SET busy = '', holder = '', problem = ?;
-- name: set_previewed
UPDATE head SET revision = revision + 1, plan = NULL, previewed_at = ?, step = ?, changed_by = ?,
    busy = '', holder = '', problem = '';
-- name: forget_preview
UPDATE head SET previewed_at = '';
-- name: set_planned
UPDATE head SET plan = ?, step = 'planned', busy = '', holder = '', problem = '';
-- name: note
SELECT value FROM notes WHERE name = ?;
-- name: set_note
INSERT OR REPLACE INTO notes VALUES (?, ?);
-- name: forget_note
DELETE FROM notes WHERE name = ?;
-- name: recall
SELECT external_id, found FROM facts WHERE scope = ? AND external_id IN (SELECT value FROM json_each(?));
-- name: keep
INSERT OR REPLACE INTO facts VALUES (?, ?, ?);
-- name: forget_facts
DELETE FROM facts;
-- name: stage_row
INSERT INTO staged_rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);
-- name: stage_text
INSERT INTO staged_texts VALUES (?, ?);
-- name: stage_found
INSERT INTO staged_found VALUES (?, ?, ?, ?, ?, ?);
-- name: stage_unknown
INSERT INTO staged_unknown VALUES (?, ?, ?);
-- name: stage_change
INSERT OR REPLACE INTO staged_changes VALUES (?, ?, ?, ?);
-- name: staged_changes_between
SELECT line, column, after FROM staged_changes WHERE line BETWEEN ? AND ?;
-- name: fixes_between
SELECT line, column, new, old, who, at FROM fixes WHERE line BETWEEN ? AND ?;
-- name: fixes_of_lines
SELECT line, column, new, old, who, at FROM fixes WHERE line IN (SELECT value FROM json_each(?));
-- name: skipped_of_lines
SELECT line, reason FROM skipped WHERE line IN (SELECT value FROM json_each(?));
-- name: changed_lines
INSERT OR IGNORE INTO affected
SELECT position FROM rows WHERE line IN (SELECT line FROM staged_changes);
-- name: add_affected_id
INSERT OR IGNORE INTO affected_ids VALUES (?);
-- name: affected_by_id
INSERT OR IGNORE INTO affected
SELECT position FROM rows WHERE external_id <> '' AND external_id IN (
    SELECT external_id FROM affected_ids
    UNION SELECT external_id FROM rows WHERE position IN (SELECT position FROM affected)
);
-- name: affected_rows
SELECT position, line, file_line, cells, marks FROM rows
WHERE position > ? AND position IN (SELECT position FROM affected) ORDER BY position LIMIT ?;
-- name: all_rows
SELECT position, line, file_line, cells, marks FROM rows WHERE position > ? ORDER BY position LIMIT ?;
-- name: moved
SELECT count(*) FROM staged_rows;
-- name: shown_changed
SELECT staged.position FROM staged_rows AS staged JOIN rows USING (position)
WHERE staged.verdict <> rows.verdict OR staged.findings <> rows.findings OR staged.task_id IS NOT rows.task_id
    OR staged.queue <> rows.queue OR staged.line IN (SELECT line FROM staged_changes)
ORDER BY staged.position LIMIT ?;
-- name: empty_rows
DELETE FROM rows;
-- name: empty_texts
DELETE FROM texts;
-- name: empty_found
DELETE FROM found;
-- name: empty_unknown
DELETE FROM unknown;
-- name: drop_found
DELETE FROM found WHERE position IN (SELECT position FROM staged_rows);
-- name: drop_unknown
DELETE FROM unknown WHERE position IN (SELECT position FROM staged_rows);
-- name: take_rows
INSERT OR REPLACE INTO rows SELECT * FROM staged_rows;
-- name: take_texts
INSERT OR REPLACE INTO texts SELECT * FROM staged_texts;
-- name: take_found
INSERT OR IGNORE INTO found SELECT * FROM staged_found;
-- name: take_unknown
INSERT OR IGNORE INTO unknown SELECT * FROM staged_unknown;
-- name: add_batch
INSERT INTO batches (kind, words, who, at, cells) VALUES (?, ?, ?, ?, ?);
-- name: add_changes
INSERT INTO changes SELECT ?, line, column, before, after FROM staged_changes;
-- name: staged_count
SELECT count(*) FROM staged_changes;
-- name: staged_changes
SELECT line, column, after FROM staged_changes ORDER BY line, column;
-- name: original
SELECT cells FROM rows WHERE line = ?;
-- name: put_fix
INSERT OR REPLACE INTO fixes VALUES (?, ?, ?, ?, ?, ?);
-- name: drop_fix
DELETE FROM fixes WHERE line = ? AND column = ?;
-- name: put_skip
INSERT OR REPLACE INTO skipped VALUES (?, ?);
-- name: drop_skip
DELETE FROM skipped WHERE line = ?;
-- name: batch
SELECT kind, words, who, at, cells, undone FROM batches WHERE id = ?;
-- name: changes_of
SELECT line, column, before, after FROM changes WHERE batch = ?;
-- name: cells_later
SELECT coalesce(sum(cells), 0) FROM batches WHERE id > ? AND undone = 0 AND kind <> 'undo';
-- name: overlapped
SELECT 1 FROM changes AS own
JOIN changes AS other ON other.line = own.line AND other.column = own.column AND other.batch > own.batch
JOIN batches ON batches.id = other.batch
WHERE own.batch = ? AND batches.undone = 0 AND batches.kind <> 'undo' LIMIT 1;
-- name: overlapped_by_few
SELECT 1 FROM batches CROSS JOIN changes AS other ON other.batch = batches.id
CROSS JOIN changes AS own ON own.batch = ?1 AND own.line = other.line AND own.column = other.column
WHERE batches.id > ?1 AND batches.undone = 0 AND batches.kind <> 'undo' LIMIT 1;
-- name: set_undone
UPDATE batches SET undone = 1 WHERE id = ?;
-- name: batches
SELECT id, kind, words, who, at, cells, undone FROM batches ORDER BY id DESC LIMIT ?;
-- name: drop_fixes
DELETE FROM fixes;
-- name: drop_skips
DELETE FROM skipped;
-- name: drop_batches
DELETE FROM batches;
-- name: drop_changes
DELETE FROM changes;
-- name: fixes
SELECT line, column, old, new, who, at FROM fixes ORDER BY line, column;
-- name: skipped
SELECT line, reason FROM skipped ORDER BY line;
-- name: last_position
SELECT coalesce(max(position), 0) FROM rows;
-- name: position_from
SELECT min(position) FROM rows WHERE line >= ?;
-- name: rows_at
SELECT position, line, file_line, cells, verdict, external_id, queue, task_id, findings FROM rows
WHERE position IN (SELECT value FROM json_each(?)) ORDER BY position;
-- name: row_at_line
SELECT position FROM rows WHERE line = ?;
-- name: known_lines
SELECT line FROM rows WHERE line IN (SELECT value FROM json_each(?));
-- name: verdicts
SELECT verdict, count(*) FROM rows GROUP BY verdict;
-- name: warnings
SELECT count(*) FROM rows WHERE warning = 1;
-- name: asked
SELECT asked, verdict, count(*), min(position) FROM rows WHERE asked IS NOT NULL GROUP BY asked, verdict ORDER BY min(position);
-- name: causes
SELECT code, heading, value, count(*), sum(alone), min(position), severity FROM found
GROUP BY code, heading, value ORDER BY severity, sum(alone) DESC, count(*) DESC, code, min(position) LIMIT ?;
-- name: cause_lines
SELECT line FROM found JOIN rows USING (position) WHERE code = ? AND heading = ? AND value = ? ORDER BY position LIMIT ?;
-- name: findings_at
SELECT findings FROM rows WHERE position = ?;
-- name: unknown
SELECT field, value, count(*) FROM unknown GROUP BY field, value ORDER BY count(*) DESC, field, value LIMIT ?;
-- name: is_unknown
SELECT 1 FROM unknown LIMIT 1;
-- name: code_by_heading
SELECT heading, count(*) FROM found WHERE code = ? GROUP BY heading ORDER BY count(*) DESC LIMIT ?;
