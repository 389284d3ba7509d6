SELECT position, numbers, reason, at_ms
FROM rollout_looks
WHERE rollout_id = %(rollout_id)s
