-- A recall follows its approval on the same partition: the run is there, and stands at the approval.
WITH fresh AS (
    INSERT INTO recalls (
        event_id, job_id, replay_id, approval_id, asset_sha256, defects, ruleset_id, recovery_id, who, why, at_ms
    )
    SELECT
        new.event_id, new.job_id, new.replay_id, new.approval_id, new.asset_sha256, new.defects, new.ruleset_id,
        new.recovery_id, new.who, new.why, new.at_ms
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
        event_id uuid, job_id uuid, replay_id text, approval_id uuid, asset_sha256 text, defects jsonb,
        ruleset_id text, recovery_id text, who text, why text, at_ms bigint
    )
    ON CONFLICT DO NOTHING
    RETURNING job_id, replay_id, at_ms
)
UPDATE runs
SET state = 'recalled', rank = 7, at_ms = fresh.at_ms
FROM fresh
WHERE runs.job_id = fresh.job_id AND runs.replay_id = fresh.replay_id AND runs.state = 'approved'
