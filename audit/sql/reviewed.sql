SELECT count(DISTINCT (v.job_id, v.replay_id)) AS runs
FROM jobs AS j
JOIN verdicts AS v ON v.job_id = j.job_id
WHERE v.record = 'ReviewRequested' AND
    (%(job_ids)s::uuid[] IS NULL OR j.job_id = ANY (%(job_ids)s::uuid[]))
    AND (%(campaign)s::text IS NULL OR j.campaign = %(campaign)s)
    AND (%(since_ms)s::bigint IS NULL OR j.submitted_at_ms >= %(since_ms)s)
