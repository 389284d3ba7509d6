-- Accepted assets of the random sample that a person looked at, and those with any defect, by lane and engine.
WITH accepted AS (
    SELECT DISTINCT ON (v.job_id, v.asset_sha256) v.job_id, v.asset_sha256, v.audit, v.verdict, a.lane, a.engine
    FROM verdicts AS v
    JOIN attempts AS a ON a.job_id = v.job_id AND a.replay_id = v.replay_id AND a.attempt = v.attempt
    WHERE
        v.decided_by = 'validation' AND v.asset_sha256 IS NOT NULL
        AND (%(since_ms)s::bigint IS NULL OR v.at_ms >= %(since_ms)s)
        AND (%(lane)s::text IS NULL OR a.lane = %(lane)s)
        AND (%(engine)s::text IS NULL OR a.engine = %(engine)s)
    ORDER BY v.job_id, v.asset_sha256, v.at_ms DESC, v.event_id
)
SELECT
    c.lane, CASE WHEN %(pooled)s THEN '*' ELSE c.engine END AS engine, count(*) AS accepted,
    count(*) FILTER (WHERE c.audit AND t.job_id IS NOT NULL) AS labelled,
    count(*) FILTER (WHERE c.audit AND t.defects <> '[]'::jsonb) AS wrong
FROM accepted AS c
LEFT JOIN truths AS t ON t.job_id = c.job_id AND t.asset_sha256 = c.asset_sha256
WHERE c.verdict = 'accept'
GROUP BY 1, 2
ORDER BY 1, 2
LIMIT 10000
