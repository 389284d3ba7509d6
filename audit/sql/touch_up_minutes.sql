SELECT count(*) AS reports, COALESCE(sum(t.minutes), 0) AS minutes
FROM jobs AS j
JOIN touch_ups AS t ON t.job_id = j.job_id
WHERE
    (%(job_ids)s::uuid[] IS NULL OR j.job_id = ANY (%(job_ids)s::uuid[]))
    AND (%(campaign)s::text IS NULL OR j.campaign = %(campaign)s)
    AND (%(since_ms)s::bigint IS NULL OR j.submitted_at_ms >= %(since_ms)s)
