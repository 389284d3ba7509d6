-- A window in equal parts, the first one 0: what was rendered in each, and how much of it was damaged.
SELECT
    ((a.requested_at_ms - %(from_ms)s) * %(parts)s / (%(to_ms)s - %(from_ms)s))::integer AS part,
    count(*) AS rendered,
    count(*) FILTER (
        WHERE EXISTS (
            SELECT FROM verdicts AS v
            JOIN defects AS d ON d.event_id = v.event_id
            WHERE v.job_id = a.job_id AND v.replay_id = a.replay_id AND v.attempt = a.attempt AND d.certain
        )
    ) AS damaged
FROM attempts AS a
WHERE
    a.requested_at_ms >= %(from_ms)s AND a.requested_at_ms < %(to_ms)s AND NOT a.shadow
    AND a.outcome = 'rendered'
GROUP BY 1
ORDER BY 1
