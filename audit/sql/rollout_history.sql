-- The newest steps of a roll-out.
SELECT event_id::text AS event_id, rollout_id, state, stage, percent, position, numbers, reason, who, at_ms
FROM rollout_steps
WHERE rollout_id = %(rollout_id)s
ORDER BY at_ms DESC, stage DESC, event_id
LIMIT %(limit)s
