INSERT INTO operations (
    event_id, kind, subject, step, numbers, who, why, at_ms
)
SELECT
    new.event_id, new.kind, new.subject, new.step, new.numbers, new.who, new.why, new.at_ms
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    event_id uuid, kind text, subject text, step text, numbers jsonb, who text, why text, at_ms bigint
)
ON CONFLICT (event_id) DO NOTHING
