-- Candidates in each hundredth of doubt, by lane, engine and failure mode. A candidate passed every check: it was
-- accepted, or only doubt kept it from that. `labelled` and `wrong` count the random sample, `placing` the rest.
WITH candidates AS (
    SELECT DISTINCT ON (v.job_id, v.asset_sha256) v.job_id, v.asset_sha256, v.audit, v.scores, a.lane, a.engine
    FROM verdicts AS v
    JOIN attempts AS a ON a.job_id = v.job_id AND a.replay_id = v.replay_id AND a.attempt = v.attempt
    WHERE
        v.decided_by = 'validation' AND v.asset_sha256 IS NOT NULL
        AND (
            v.verdict = 'accept'
            OR EXISTS (SELECT FROM defects AS d WHERE d.event_id = v.event_id AND d."check" = 'doubt')
        )
        AND (%(since_ms)s::bigint IS NULL OR v.at_ms >= %(since_ms)s)
        AND (%(lane)s::text IS NULL OR a.lane = %(lane)s)
        AND (%(engine)s::text IS NULL OR a.engine = %(engine)s)
    ORDER BY v.job_id, v.asset_sha256, v.at_ms DESC, v.event_id
),
doubts AS (
    SELECT
        c.lane, CASE WHEN %(pooled)s THEN '*' ELSE c.engine END AS engine, substr(s.key, 7) AS mode,
        LEAST(floor((s.value #>> '{}')::numeric * 100), 100)::integer AS bucket, c.audit,
        COALESCE(t.looked OR t.defects ? substr(s.key, 7), false) AS told,
        COALESCE(t.defects ? substr(s.key, 7), false) AS wrong
    FROM candidates AS c
    CROSS JOIN LATERAL jsonb_each(c.scores) AS s
    LEFT JOIN truths AS t ON t.job_id = c.job_id AND t.asset_sha256 = c.asset_sha256
    WHERE s.key LIKE 'doubt.%%' AND (%(mode)s::text IS NULL OR s.key = 'doubt.' || %(mode)s)
)
SELECT
    lane, engine, mode, bucket,
    count(*) FILTER (WHERE audit AND told) AS labelled,
    count(*) FILTER (WHERE audit AND wrong) AS wrong,
    count(*) FILTER (WHERE NOT (audit AND told)) AS placing,
    count(*) FILTER (WHERE audit AND NOT told) AS waiting
FROM doubts
GROUP BY lane, engine, mode, bucket
ORDER BY lane, engine, mode, bucket
LIMIT 1000000
