-- The job's own run, its last verdict, and what all its attempts cost together.
SELECT
    j.job_id::text AS job_id, j.idempotency_key, j.prompt, j.campaign, j.brand, j.lane, r.state, r.engine,
    last.backend, r.ruleset_id, COALESCE(spent.attempts, 0) AS attempts, last.asset_sha256, last.manifest_sha256,
    CASE WHEN last.wants_text THEN (verdict.scores ->> 'text')::double precision END AS text_score,
    COALESCE(verdict.reasons, r.reasons, '[]'::jsonb) AS reasons,
    COALESCE(spent.engine_ms, 0) AS engine_ms, COALESCE(spent.cost_usd, 0) AS cost_usd,
    j.submitted_at_ms, r.ended_at_ms
FROM jobs AS j
JOIN runs AS r ON r.job_id = j.job_id AND r.replay_id = ''
LEFT JOIN attempts AS last
    ON last.job_id = j.job_id AND last.replay_id = '' AND last.attempt = r.attempt
LEFT JOIN LATERAL (
    SELECT count(*) AS attempts, sum(a.engine_ms) AS engine_ms, sum(a.cost_usd) AS cost_usd
    FROM attempts AS a
    WHERE a.job_id = j.job_id AND a.replay_id = ''
) AS spent ON true
LEFT JOIN LATERAL (
    SELECT v.scores, v.reasons
    FROM verdicts AS v
    WHERE v.job_id = j.job_id AND v.replay_id = ''
    ORDER BY v.attempt DESC, v.at_ms DESC
    LIMIT 1
) AS verdict ON true
WHERE
    (%(after)s::uuid IS NULL OR j.job_id > %(after)s::uuid)
    AND
    (%(job_ids)s::uuid[] IS NULL OR j.job_id = ANY (%(job_ids)s::uuid[]))
    AND (%(campaign)s::text IS NULL OR j.campaign = %(campaign)s)
    AND (%(since_ms)s::bigint IS NULL OR j.submitted_at_ms >= %(since_ms)s)
ORDER BY j.job_id
LIMIT %(limit)s
