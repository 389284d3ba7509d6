-- Verdicts of validation against what people say of the same assets, by failure mode, and by how the asset came to a
-- person. `stratum`: passed every check (a hash draws at one rate), rejected (at another), or in review (all are to be
-- looked at). `drawn`: meant for a person; `sampled`: and looked at. Where mode is null: all assets of that kind, those
-- that nobody spoke of (not told) too.
WITH judged AS (
    SELECT DISTINCT ON (v.job_id, v.asset_sha256)
        v.event_id, v.audit, v.job_id, v.asset_sha256,
        CASE
            WHEN v.verdict = 'accept' THEN 'passed'
            WHEN v.verdict = 'reject' THEN 'rejected'
            WHEN EXISTS (SELECT FROM defects AS d WHERE d.event_id = v.event_id AND d."check" = 'doubt') THEN 'passed'
            ELSE 'review'
        END AS stratum
    FROM jobs AS j
    JOIN verdicts AS v ON v.job_id = j.job_id
    WHERE
        v.decided_by = 'validation' AND v.asset_sha256 IS NOT NULL
        AND (%(job_ids)s::uuid[] IS NULL OR j.job_id = ANY (%(job_ids)s::uuid[]))
        AND (%(campaign)s::text IS NULL OR j.campaign = %(campaign)s)
        AND (%(since_ms)s::bigint IS NULL OR j.submitted_at_ms >= %(since_ms)s)
    ORDER BY v.job_id, v.asset_sha256, v.at_ms DESC, v.event_id
),
known AS (
    SELECT
        g.event_id, g.stratum, t.job_id IS NOT NULL AS told,
        g.audit OR g.stratum = 'review' AS drawn,
        COALESCE(t.looked, false) AND (g.audit OR g.stratum = 'review') AS sampled, t.defects
    FROM judged AS g
    LEFT JOIN truths AS t ON t.job_id = g.job_id AND t.asset_sha256 = g.asset_sha256
),
named AS (
    SELECT event_id, stratum, sampled, mode, bool_or(found) AS found, bool_or(said) AS said
    FROM (
        SELECT k.event_id, k.stratum, k.sampled, d.mode, true AS found, false AS said
        FROM known AS k
        JOIN defects AS d ON d.event_id = k.event_id
        WHERE k.told
        UNION ALL
        SELECT k.event_id, k.stratum, k.sampled, m.mode, false, true
        FROM known AS k
        CROSS JOIN LATERAL jsonb_array_elements_text(k.defects) AS m (mode)
    ) AS one
    GROUP BY event_id, stratum, sampled, mode
)
SELECT
    mode, stratum, true AS told, sampled, count(*) AS assets, 0 AS drawn,
    count(*) FILTER (WHERE found AND said) AS both,
    count(*) FILTER (WHERE found AND NOT said) AS found_only, count(*) FILTER (WHERE said AND NOT found) AS said_only
FROM named
GROUP BY mode, stratum, sampled
UNION ALL
SELECT NULL, stratum, told, sampled, count(*), count(*) FILTER (WHERE drawn), 0, 0, 0
FROM known
GROUP BY stratum, told, sampled
ORDER BY mode NULLS FIRST, stratum, told, sampled
LIMIT 10000
