INSERT INTO labels (
    event_id, job_id, asset_sha256, source, defects, who, why, at_ms
)
SELECT
    new.event_id, new.job_id, new.asset_sha256, new.source, new.defects, new.who, new.why, new.at_ms
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    event_id uuid, job_id uuid, asset_sha256 text, source text, defects jsonb, who text, why text, at_ms bigint
)
ON CONFLICT (event_id) DO NOTHING
