INSERT INTO measurements (
    job_id, replay_id, attempt, number, "check", name, value
)
SELECT
    new.job_id, new.replay_id, new.attempt, new.number, new."check", new.name, new.value
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    job_id uuid, replay_id text, attempt integer, number smallint, "check" text, name text,
    value double precision
)
ON CONFLICT DO NOTHING
