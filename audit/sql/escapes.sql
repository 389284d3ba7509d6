-- Accepted assets of the random sample that a person looked at, and how many show a defect, by lane and engine: of any
-- defect (mode is null), and of each one that somebody named. `unscored` of these carry no doubt of that defect.
WITH accepted AS (
    SELECT DISTINCT ON (v.job_id, v.asset_sha256)
        v.job_id, v.asset_sha256, v.audit, v.verdict, v.scores, a.lane, a.engine
    FROM verdicts AS v
    JOIN attempts AS a ON a.job_id = v.job_id AND a.replay_id = v.replay_id AND a.attempt = v.attempt
    WHERE
        v.decided_by = 'validation' AND v.asset_sha256 IS NOT NULL
        AND (%(since_ms)s::bigint IS NULL OR v.at_ms >= %(since_ms)s)
        AND (%(lane)s::text IS NULL OR a.lane = %(lane)s)
        AND (%(engine)s::text IS NULL OR a.engine = %(engine)s)
    ORDER BY v.job_id, v.asset_sha256, v.at_ms DESC, v.event_id
),
known AS (
    SELECT
        c.lane, CASE WHEN %(pooled)s THEN '*' ELSE c.engine END AS engine, c.scores,
        c.audit AND t.job_id IS NOT NULL AS told, COALESCE(t.defects, '[]'::jsonb) AS defects
    FROM accepted AS c
    LEFT JOIN truths AS t ON t.job_id = c.job_id AND t.asset_sha256 = c.asset_sha256
    WHERE c.verdict = 'accept'
),
totals AS (
    SELECT
        lane, engine, count(*) AS accepted, count(*) FILTER (WHERE told) AS labelled,
        count(*) FILTER (WHERE told AND defects <> '[]'::jsonb) AS wrong
    FROM known
    GROUP BY lane, engine
),
named AS (
    SELECT
        k.lane, k.engine, m.mode, count(*) AS wrong,
        count(*) FILTER (WHERE NOT k.scores ? ('doubt.' || m.mode)) AS unscored
    FROM known AS k
    CROSS JOIN LATERAL jsonb_array_elements_text(k.defects) AS m (mode)
    WHERE k.told AND (%(mode)s::text IS NULL OR m.mode = %(mode)s)
    GROUP BY k.lane, k.engine, m.mode
)
SELECT lane, engine, NULL AS mode, accepted, labelled, wrong, 0 AS unscored FROM totals
UNION ALL
SELECT t.lane, t.engine, n.mode, t.accepted, t.labelled, n.wrong, n.unscored
FROM totals AS t
JOIN named AS n ON n.lane = t.lane AND n.engine = t.engine
ORDER BY lane, engine, mode NULLS FIRST
LIMIT 10000
