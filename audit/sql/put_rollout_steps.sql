INSERT INTO rollout_steps (
    event_id, rollout_id, state, stage, percent, position, numbers, reason, who, at_ms
)
SELECT
    new.event_id, new.rollout_id, new.state, new.stage, new.percent, new.position, new.numbers, new.reason, new.who,
    new.at_ms
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    event_id uuid, rollout_id text, state text, stage integer, percent integer, position bigint, numbers jsonb,
    reason text, who text, at_ms bigint
)
ON CONFLICT (event_id) DO NOTHING
