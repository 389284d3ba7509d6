-- Jobs that each arm was given, and shadows; with no first verdict yet for how many, and for how many since long ago.
SELECT
    a.arm, a.shadow, count(*) AS routed,
    count(*) FILTER (WHERE v.job_id IS NULL) AS waiting,
    count(*) FILTER (WHERE v.job_id IS NULL AND a.requested_at_ms < %(before_ms)s) AS overdue
FROM attempts AS a
LEFT JOIN first_verdicts AS v ON v.rollout_id = a.rollout_id AND v.job_id = a.job_id AND v.shadow = a.shadow
WHERE a.rollout_id = %(rollout_id)s AND a.attempt = 0
GROUP BY a.arm, a.shadow
ORDER BY a.arm, a.shadow
