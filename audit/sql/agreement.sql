-- Verdicts of validation against what people say of the same assets, by failure mode and by whether a hash chose the
-- asset. Where mode is null: all assets that people spoke of.
WITH judged AS (
    SELECT DISTINCT ON (v.job_id, v.asset_sha256) v.event_id, v.audit, t.defects
    FROM jobs AS j
    JOIN verdicts AS v ON v.job_id = j.job_id
    JOIN truths AS t ON t.job_id = v.job_id AND t.asset_sha256 = v.asset_sha256
    WHERE
        v.decided_by = 'validation'
        AND (%(job_ids)s::uuid[] IS NULL OR j.job_id = ANY (%(job_ids)s::uuid[]))
        AND (%(campaign)s::text IS NULL OR j.campaign = %(campaign)s)
        AND (%(since_ms)s::bigint IS NULL OR j.submitted_at_ms >= %(since_ms)s)
    ORDER BY v.job_id, v.asset_sha256, v.at_ms DESC, v.event_id
),
named AS (
    SELECT event_id, audit, mode, bool_or(found) AS found, bool_or(said) AS said
    FROM (
        SELECT g.event_id, g.audit, d.mode, true AS found, false AS said
        FROM judged AS g
        JOIN defects AS d ON d.event_id = g.event_id
        UNION ALL
        SELECT g.event_id, g.audit, m.mode, false, true
        FROM judged AS g
        CROSS JOIN LATERAL jsonb_array_elements_text(g.defects) AS m (mode)
    ) AS one
    GROUP BY event_id, audit, mode
)
SELECT
    mode, audit, count(*) AS assets, count(*) FILTER (WHERE found AND said) AS both,
    count(*) FILTER (WHERE found AND NOT said) AS found_only, count(*) FILTER (WHERE said AND NOT found) AS said_only
FROM named
GROUP BY mode, audit
UNION ALL
SELECT NULL, audit, count(*), 0, 0, 0 FROM judged GROUP BY audit
ORDER BY mode NULLS FIRST, audit
LIMIT 10000
