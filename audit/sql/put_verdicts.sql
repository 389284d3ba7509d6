INSERT INTO verdicts (
    event_id, job_id, replay_id, attempt, verdict, record, decided_by, ruleset_id, scores, reasons,
    repair_rung, hold_id, asset_sha256, audit, at_ms
)
SELECT
    new.event_id, new.job_id, new.replay_id, new.attempt, new.verdict, new.record, new.decided_by,
    new.ruleset_id, new.scores, new.reasons, new.repair_rung, new.hold_id, new.asset_sha256, new.audit, new.at_ms
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    event_id uuid, job_id uuid, replay_id text, attempt integer, verdict text, record text, decided_by text,
    ruleset_id text, scores jsonb, reasons jsonb, repair_rung text, hold_id text, asset_sha256 text,
    audit boolean, at_ms bigint
)
ON CONFLICT (event_id) DO NOTHING
