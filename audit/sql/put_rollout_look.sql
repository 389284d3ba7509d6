INSERT INTO rollout_looks (rollout_id, position, numbers, reason, at_ms)
VALUES (%(rollout_id)s, %(position)s, %(numbers)s::jsonb, %(reason)s, %(at_ms)s)
ON CONFLICT (rollout_id) DO UPDATE SET
    position = EXCLUDED.position, numbers = EXCLUDED.numbers, reason = EXCLUDED.reason, at_ms = EXCLUDED.at_ms
