INSERT INTO defects (
    event_id, number, mode, "check", value, threshold, evidence, certain
)
SELECT
    new.event_id, new.number, new.mode, new."check", new.value, new.threshold, new.evidence, new.certain
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    event_id uuid, number smallint, mode text, "check" text, value double precision,
    threshold double precision, evidence text, certain boolean
)
ON CONFLICT DO NOTHING
