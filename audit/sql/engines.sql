-- By engine and, where engine is null, over all. Verdicts of an attempt: the last one counts.
SELECT
    a.engine,
    count(*) AS attempts,
    count(*) FILTER (WHERE a.outcome = 'rendered') AS rendered,
    count(*) FILTER (WHERE a.outcome = 'failed') AS failed,
    count(*) FILTER (WHERE judged.record = 'AssetApproved') AS accepted,
    count(*) FILTER (WHERE judged.record = 'AssetApproved' AND a.attempt > 0) AS repaired,
    count(*) FILTER (WHERE a.outcome = 'rendered' AND judged.damaged) AS damaged,
    count(*) FILTER (WHERE judged.record = 'AssetApproved' AND judged.touched) AS touched,
    COALESCE(sum(a.engine_ms), 0) AS engine_ms,
    COALESCE(sum(a.engine_ms) FILTER (WHERE a.device LIKE 'cuda%%'), 0) AS gpu_ms,
    COALESCE(sum(a.cost_usd), 0) AS cost_usd,
    avg(judged.text_score) FILTER (WHERE judged.record = 'AssetApproved' AND a.wants_text) AS text_score,
    COALESCE(array_agg(DISTINCT a.backend) FILTER (WHERE a.backend IS NOT NULL), '{}') AS backends
FROM jobs AS j
JOIN attempts AS a ON a.job_id = j.job_id
LEFT JOIN LATERAL (
    SELECT
        v.record,
        (v.scores ->> 'text')::double precision AS text_score,
        EXISTS (SELECT FROM defects AS d WHERE d.event_id = v.event_id AND d.certain) AS damaged,
        EXISTS (
            SELECT FROM touch_ups AS t WHERE t.job_id = j.job_id AND t.asset_sha256 = v.asset_sha256
        ) AS touched
    FROM verdicts AS v
    WHERE v.job_id = a.job_id AND v.replay_id = a.replay_id AND v.attempt = a.attempt
    ORDER BY v.at_ms DESC, v.record
    LIMIT 1
) AS judged ON true
WHERE
    (%(job_ids)s::uuid[] IS NULL OR j.job_id = ANY (%(job_ids)s::uuid[]))
    AND (%(campaign)s::text IS NULL OR j.campaign = %(campaign)s)
    AND (%(since_ms)s::bigint IS NULL OR j.submitted_at_ms >= %(since_ms)s)
GROUP BY GROUPING SETS ((a.engine), ())
ORDER BY a.engine NULLS FIRST
LIMIT 1000
