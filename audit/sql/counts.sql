SELECT r.state, count(*) AS jobs, count(*) FILTER (WHERE r.attempt > 0) AS repaired
FROM jobs AS j
JOIN runs AS r ON r.job_id = j.job_id AND r.replay_id = ''
WHERE
    (%(job_ids)s::uuid[] IS NULL OR j.job_id = ANY (%(job_ids)s::uuid[]))
    AND (%(campaign)s::text IS NULL OR j.campaign = %(campaign)s)
    AND (%(since_ms)s::bigint IS NULL OR j.submitted_at_ms >= %(since_ms)s)
GROUP BY r.state
