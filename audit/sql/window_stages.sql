-- How long each stage took in a window, nearest-rank, milliseconds: waiting included, by the clocks of the stages.
-- Over all, by engine, ruleset and lane, and by each tag. A whole run counts for what its first attempt was, so that
-- the time of repairs is charged to what made them needful; a prompt that was refused has none and counts over all.
WITH timed AS (
    SELECT 'render' AS stage, generated_at_ms - requested_at_ms AS took_ms, engine, ruleset_id, lane, tags
    FROM attempts
    WHERE requested_at_ms >= %(from_ms)s AND requested_at_ms < %(to_ms)s AND NOT shadow
    UNION ALL
    SELECT 'inspect', inspected_at_ms - generated_at_ms, engine, ruleset_id, lane, tags
    FROM attempts
    WHERE requested_at_ms >= %(from_ms)s AND requested_at_ms < %(to_ms)s AND NOT shadow
    UNION ALL
    SELECT 'validate', v.at_ms - a.inspected_at_ms, a.engine, a.ruleset_id, a.lane, a.tags
    FROM attempts AS a
    JOIN verdicts AS v ON v.job_id = a.job_id AND v.replay_id = a.replay_id AND v.attempt = a.attempt
    WHERE
        a.requested_at_ms >= %(from_ms)s AND a.requested_at_ms < %(to_ms)s AND NOT a.shadow
        AND v.decided_by = 'validation'
    UNION ALL
    SELECT 'whole', r.ended_at_ms - r.started_at_ms, a.engine, a.ruleset_id, a.lane, a.tags
    FROM runs AS r
    LEFT JOIN attempts AS a ON a.job_id = r.job_id AND a.replay_id = r.replay_id AND a.attempt = 0
    WHERE r.started_at_ms >= %(from_ms)s AND r.started_at_ms < %(to_ms)s
)
SELECT
    place.kind, place.name, t.stage,
    count(*) AS records,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY t.took_ms) AS p50_ms,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY t.took_ms) AS p95_ms
FROM timed AS t
CROSS JOIN LATERAL (
    VALUES ('all', ''), ('engine', t.engine), ('ruleset', t.ruleset_id), ('lane', t.lane)
    UNION ALL
    SELECT 'tag', tag FROM jsonb_array_elements_text(t.tags) AS tag
) AS place (kind, name)
WHERE t.took_ms >= 0 AND place.name IS NOT NULL
GROUP BY place.kind, place.name, t.stage
ORDER BY place.kind, max(count(*)) OVER (PARTITION BY place.kind, place.name) DESC, place.name, t.stage
LIMIT 4000
