SELECT
    count(*) AS jobs,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY r.ended_at_ms - j.submitted_at_ms) AS p50_ms,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY r.ended_at_ms - j.submitted_at_ms) AS p95_ms
FROM jobs AS j
JOIN runs AS r ON r.job_id = j.job_id AND r.replay_id = ''
WHERE r.ended_at_ms IS NOT NULL AND
    (%(job_ids)s::uuid[] IS NULL OR j.job_id = ANY (%(job_ids)s::uuid[]))
    AND (%(campaign)s::text IS NULL OR j.campaign = %(campaign)s)
    AND (%(since_ms)s::bigint IS NULL OR j.submitted_at_ms >= %(since_ms)s)
