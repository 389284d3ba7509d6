-- Assets that nobody has spoken of yet, the longest waiting first: those that the random audit chose, or those in review.
SELECT
    v.at_ms, v.event_id::text AS event_id, v.job_id::text AS job_id, v.asset_sha256, v.verdict, a.lane, a.engine,
    j.prompt, j.campaign, j.required_text
FROM verdicts AS v
JOIN attempts AS a ON a.job_id = v.job_id AND a.replay_id = v.replay_id AND a.attempt = v.attempt
JOIN jobs AS j ON j.job_id = v.job_id
WHERE
    ((v.audit AND NOT %(reviews)s::boolean) OR (v.verdict = 'review' AND %(reviews)s::boolean))
    AND v.asset_sha256 IS NOT NULL AND v.decided_by = 'validation'
    AND NOT EXISTS (SELECT FROM words AS w WHERE w.job_id = v.job_id AND w.asset_sha256 = v.asset_sha256)
    AND (%(lane)s::text IS NULL OR a.lane = %(lane)s)
    AND (%(after_ms)s::bigint IS NULL OR (v.at_ms, v.event_id) > (%(after_ms)s::bigint, %(after_id)s::uuid))
ORDER BY v.at_ms, v.event_id
LIMIT %(limit)s
