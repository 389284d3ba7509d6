-- Dead letters name no campaign: where one is asked for, only those whose key is a job of it count.
SELECT d.stage, d.kind, count(*) AS records
FROM dead_letters AS d
LEFT JOIN jobs AS j ON j.job_id = d.job_id
WHERE
    (%(job_ids)s::uuid[] IS NULL OR d.job_id = ANY (%(job_ids)s::uuid[]))
    AND (%(campaign)s::text IS NULL OR j.campaign = %(campaign)s)
    AND (%(since_ms)s::bigint IS NULL OR d.at_ms >= %(since_ms)s)
GROUP BY d.stage, d.kind
ORDER BY d.stage, d.kind
LIMIT 1000
