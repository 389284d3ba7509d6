SELECT d.mode, count(*) AS found, count(*) FILTER (WHERE d.certain) AS certain
FROM jobs AS j
JOIN verdicts AS v ON v.job_id = j.job_id
JOIN defects AS d ON d.event_id = v.event_id
WHERE
    (%(job_ids)s::uuid[] IS NULL OR j.job_id = ANY (%(job_ids)s::uuid[]))
    AND (%(campaign)s::text IS NULL OR j.campaign = %(campaign)s)
    AND (%(since_ms)s::bigint IS NULL OR j.submitted_at_ms >= %(since_ms)s)
GROUP BY d.mode
ORDER BY found DESC, d.mode
LIMIT 1000
