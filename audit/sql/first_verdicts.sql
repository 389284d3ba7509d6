-- Verdicts of a roll-out after a position, in their order; with each the other one of its pair, where that was stored
-- before it.
SELECT
    v.stored, v.shadow, v.arm, v.artifact, v.modes, v.latency_ms, t.artifact AS other_artifact, t.modes AS other_modes
FROM first_verdicts AS v
LEFT JOIN first_verdicts AS t
    ON t.rollout_id = v.rollout_id AND t.job_id = v.job_id AND t.shadow = (NOT v.shadow) AND t.stored < v.stored
WHERE
    v.rollout_id = %(rollout_id)s AND v.stored > %(after)s
    AND (%(until)s::bigint IS NULL OR v.stored <= %(until)s)
ORDER BY v.stored
LIMIT %(limit)s
