-- How long each stage took in a window, nearest-rank, milliseconds: waiting included, by the clocks of the stages.
SELECT
    stage.name AS stage, count(*) AS records,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY stage.took_ms) AS p50_ms,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY stage.took_ms) AS p95_ms
FROM (
    SELECT 'render' AS name, generated_at_ms - requested_at_ms AS took_ms
    FROM attempts
    WHERE requested_at_ms >= %(from_ms)s AND requested_at_ms < %(to_ms)s AND NOT shadow
    UNION ALL
    SELECT 'inspect', inspected_at_ms - generated_at_ms
    FROM attempts
    WHERE requested_at_ms >= %(from_ms)s AND requested_at_ms < %(to_ms)s AND NOT shadow
    UNION ALL
    SELECT 'validate', v.at_ms - a.inspected_at_ms
    FROM attempts AS a
    JOIN verdicts AS v ON v.job_id = a.job_id AND v.replay_id = a.replay_id AND v.attempt = a.attempt
    WHERE
        a.requested_at_ms >= %(from_ms)s AND a.requested_at_ms < %(to_ms)s AND NOT a.shadow
        AND v.decided_by = 'validation'
    UNION ALL
    SELECT 'whole', r.ended_at_ms - r.started_at_ms
    FROM runs AS r
    WHERE r.started_at_ms >= %(from_ms)s AND r.started_at_ms < %(to_ms)s
) AS stage (name, took_ms)
WHERE stage.took_ms >= 0
GROUP BY stage.name
