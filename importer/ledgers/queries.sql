-- name: add_environment
INSERT OR IGNORE INTO environments (target, origin) VALUES (?, ?);
-- name: environment
SELECT env FROM environments WHERE target = ? AND origin = ?;
-- name: add_run
INSERT INTO runs (run, plan, env, head, about, approval, settings, opened_at, out, state, note, seal)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);
-- name: runs
SELECT no, run, env, head, about, approval, settings, opened_at, out, state, note, seal FROM runs ORDER BY no;
-- name: run_of_plan
SELECT run FROM runs WHERE plan = ?;
-- name: set_run_state
UPDATE runs SET state = ?, note = ? WHERE run = ?;
-- name: add_row
INSERT INTO rows (no, position, line, file_line, cells, external_id, queue, findings, payload, env, fixed,
    stage, attempts, resends, doubted, conflicts, task_id, state, reason, correlation_id, audits, audit_count, seal)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);
-- name: put_row
UPDATE rows SET stage = ?, attempts = ?, resends = ?, doubted = ?, conflicts = ?, task_id = ?, state = ?, reason = ?,
    correlation_id = ?, audits = ?, audit_count = ?, seal = ?
WHERE no = ? AND position = ?;
-- name: entries
SELECT position, line, file_line, cells, external_id, queue, findings, payload, fixed,
    stage, attempts, resends, doubted, conflicts, task_id, state, reason, correlation_id, audits, audit_count, seal,
    no, env
FROM rows WHERE no = ? AND stage = ? AND position > ? ORDER BY position LIMIT ?;
-- name: all_rows
SELECT position, line, file_line, cells, external_id, queue, findings, payload, fixed,
    stage, attempts, resends, doubted, conflicts, task_id, state, reason, correlation_id, audits, audit_count, seal,
    no, env
FROM rows WHERE no = ? ORDER BY position;
-- name: counts
SELECT stage, count(*) FROM rows WHERE no = ? GROUP BY stage;
-- name: holder
SELECT rows.no, position, runs.run, stage, task_id FROM rows JOIN runs USING (no)
WHERE rows.env = ? AND external_id = ? AND stage IN ('sending', 'doubt', 'unknown', 'created')
ORDER BY stage = 'created' DESC;
-- name: earlier
SELECT external_id, runs.run, task_id, payload FROM rows JOIN runs USING (no)
WHERE rows.env = ? AND external_id IN (SELECT value FROM json_each(?))
    AND stage IN ('sending', 'doubt', 'unknown', 'created') AND runs.run <> ?
ORDER BY stage = 'created';
-- name: clear_states
DELETE FROM states WHERE no = ? AND position = ?;
-- name: add_state
INSERT INTO states (no, position, sequence, state, at, source) VALUES (?, ?, ?, ?, ?, ?);
-- name: states_of_row
SELECT state, at, source FROM states WHERE no = ? AND position = ? ORDER BY sequence;
-- name: states_of_run
SELECT position, state, at, source FROM states WHERE no = ? ORDER BY position, sequence;
-- name: clear_audits
DELETE FROM audit_entries WHERE no = ? AND position = ?;
-- name: add_audit
INSERT INTO audit_entries (no, position, sequence, id, action, actor, at, diff) VALUES (?, ?, ?, ?, ?, ?, ?, ?);
-- name: audits_of_run
SELECT position, id, action, actor, at, diff FROM audit_entries WHERE no = ? ORDER BY position, sequence;
-- name: add_approval
INSERT INTO approvals (plan, digest, approved, who, at, comment) VALUES (?, ?, ?, ?, ?, ?);
-- name: approvals
SELECT plan, digest, approved, who, at, comment FROM approvals WHERE plan = ? ORDER BY sequence;
