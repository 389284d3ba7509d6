INSERT INTO touch_ups (
    event_id, job_id, asset_sha256, minutes, defect, who, at_ms
)
SELECT
    new.event_id, new.job_id, new.asset_sha256, new.minutes, new.defect, new.who, new.at_ms
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    event_id uuid, job_id uuid, asset_sha256 text, minutes double precision, defect text, who text,
    at_ms bigint
)
ON CONFLICT (event_id) DO NOTHING
