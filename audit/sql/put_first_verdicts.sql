-- Within a batch by the job's id, a hash: the order of verdicts must not depend on what they say, and topics do.
INSERT INTO first_verdicts (
    rollout_id, job_id, shadow, arm, artifact, modes, latency_ms, event_id
)
SELECT
    new.rollout_id, new.job_id, new.shadow, new.arm, new.artifact, new.modes, new.latency_ms, new.event_id
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    rollout_id text, job_id uuid, shadow boolean, arm text, artifact boolean, modes jsonb,
    latency_ms double precision, event_id uuid
)
ORDER BY new.rollout_id, new.job_id, new.shadow
ON CONFLICT (rollout_id, job_id, shadow) DO NOTHING
