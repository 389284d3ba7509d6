-- Every attempt with its last verdict, and prompts that had none (refused, or not routed yet).
SELECT
    j.job_id::text AS job_id, r.replay_id, COALESCE(a.attempt, -1) AS attempt, j.prompt, j.campaign, r.state, a.engine,
    a.backend, a.rung, a.outcome, a.failure_kind, a.asset_sha256, a.media_type, a.manifest_sha256,
    a.engine_ms, judged.verdict, judged.record, COALESCE(judged.scores, '{}'::jsonb) AS scores,
    COALESCE(judged.reasons, CASE WHEN a.attempt IS NULL THEN r.reasons END, '[]'::jsonb) AS reasons
FROM jobs AS j
JOIN runs AS r ON r.job_id = j.job_id
LEFT JOIN attempts AS a ON a.job_id = r.job_id AND a.replay_id = r.replay_id
LEFT JOIN LATERAL (
    SELECT v.verdict, v.record, v.scores, v.reasons
    FROM verdicts AS v
    WHERE v.job_id = a.job_id AND v.replay_id = a.replay_id AND v.attempt = a.attempt
    ORDER BY v.at_ms DESC, v.record
    LIMIT 1
) AS judged ON true
WHERE
    (
        %(after_job)s::uuid IS NULL
        OR (j.job_id, r.replay_id, COALESCE(a.attempt, -1)) > (%(after_job)s::uuid, %(after_replay)s, %(after_attempt)s)
    )
    AND
    (%(job_ids)s::uuid[] IS NULL OR j.job_id = ANY (%(job_ids)s::uuid[]))
    AND (%(campaign)s::text IS NULL OR j.campaign = %(campaign)s)
    AND (%(since_ms)s::bigint IS NULL OR j.submitted_at_ms >= %(since_ms)s)
ORDER BY j.job_id, r.replay_id, COALESCE(a.attempt, -1)
LIMIT %(limit)s
