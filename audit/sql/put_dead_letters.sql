INSERT INTO dead_letters (
    event_id, stage, kind, error, origin_topic, origin_partition, origin_offset, job_id, replay_id, at_ms
)
SELECT
    new.event_id, new.stage, new.kind, new.error, new.origin_topic, new.origin_partition, new.origin_offset,
    new.job_id, new.replay_id, new.at_ms
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    event_id uuid, stage text, kind text, error text, origin_topic text, origin_partition integer,
    origin_offset bigint, job_id uuid, replay_id text, at_ms bigint
)
ON CONFLICT (event_id) DO NOTHING
