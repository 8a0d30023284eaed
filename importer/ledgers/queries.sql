-- name: add_environment
INSERT OR IGNORE INTO environments (target, origin) VALUES (?, ?);
-- name: environment
SELECT env FROM environments WHERE target = ? AND origin = ?;
-- name: add_run
INSERT INTO runs (run, plan, env, head, about, approval, settings, opened_at, out, state, note, seal, state_seal)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);
-- name: runs
SELECT no, run, plan, env, head, about, approval, settings, opened_at, out, state, note, seal, state_seal FROM runs
ORDER BY no;
-- name: run
SELECT no, run, plan, env, head, about, approval, settings, opened_at, out, state, note, seal, state_seal FROM runs
WHERE run = ?;
-- name: run_of_plan
SELECT run FROM runs WHERE plan = ?;
-- name: set_run_state
UPDATE runs SET state = ?, note = ?, state_seal = ? WHERE run = ?;
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
-- name: counts_by_state
SELECT state, count(*) FROM rows WHERE no = ? AND stage = 'created' GROUP BY state;
-- name: holder
SELECT rows.no, position, runs.run, stage, task_id, attempts FROM rows JOIN runs USING (no)
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
-- name: begin_call
INSERT INTO calls (no, kind, body, began_at, seal) VALUES (?, ?, ?, ?, ?);
-- name: add_call_row
INSERT INTO call_rows (call, position) VALUES (?, ?);
-- name: call
SELECT no, kind, body, began_at FROM calls WHERE call = ?;
-- name: rows_of_call
SELECT position FROM call_rows WHERE call = ? ORDER BY position;
-- name: end_call
UPDATE calls SET ended_at = ?, answer = ?, correlation_id = ?, seal = ? WHERE call = ?;
-- name: open_calls
SELECT call, kind, position FROM calls JOIN call_rows USING (call) WHERE no = ? AND ended_at IS NULL ORDER BY call, position;
-- name: calls_of_run
SELECT c.call, c.kind, c.began_at, c.ended_at, c.answer, c.correlation_id, r.line
FROM calls c JOIN call_rows p USING (call) JOIN rows r ON r.no = c.no AND r.position = p.position
WHERE c.no = ? ORDER BY c.call, p.position;
-- name: ended_calls
SELECT began_at, ended_at, answer FROM calls WHERE no = ? AND ended_at IS NOT NULL ORDER BY call;
-- name: seal_states
INSERT INTO trails (no, position, states) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET states = excluded.states;
-- name: seal_audits
INSERT INTO trails (no, position, audits) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET audits = excluded.audits;
-- name: lease
SELECT token, boot, space, process, started, until_s, lasts_s, seal FROM leases WHERE no = ?;
-- name: put_lease
INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);
-- name: drop_lease
DELETE FROM leases WHERE no = ? AND token = ?;
-- name: mark
SELECT value FROM marks WHERE name = ?;
-- name: every_row
SELECT position, line, file_line, cells, external_id, queue, findings, payload, fixed,
    stage, attempts, resends, doubted, conflicts, task_id, state, reason, correlation_id, audits, audit_count, seal,
    no, env
FROM rows;
-- name: every_state
SELECT no, position, sequence, state, at, source FROM states ORDER BY no, position, sequence;
-- name: every_audit
SELECT no, position, sequence, id, action, actor, at, diff FROM audit_entries ORDER BY no, position, sequence;
-- name: states_seals
SELECT no, position, states FROM trails WHERE states IS NOT NULL;
-- name: audits_seals
SELECT no, position, audits FROM trails WHERE audits IS NOT NULL;
-- name: every_call
SELECT call, no, kind, body, began_at, ended_at, answer, correlation_id, seal FROM calls ORDER BY call;
-- name: number
SELECT no, env FROM runs WHERE run = ?;
