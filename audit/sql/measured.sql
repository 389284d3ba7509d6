SELECT
    m."check", m.name, count(*) AS count, min(m.value) AS lowest, max(m.value) AS highest,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY m.value) AS median
FROM jobs AS j
JOIN measurements AS m ON m.job_id = j.job_id
WHERE
    (%(job_ids)s::uuid[] IS NULL OR j.job_id = ANY (%(job_ids)s::uuid[]))
    AND (%(campaign)s::text IS NULL OR j.campaign = %(campaign)s)
    AND (%(since_ms)s::bigint IS NULL OR j.submitted_at_ms >= %(since_ms)s)
GROUP BY m."check", m.name
ORDER BY m."check", m.name
LIMIT 1000
