-- Attempts asked for in a window, twins left out: over all, by engine, ruleset and lane, and by each of their tags.
WITH seen AS (
    SELECT
        a.*, judged.record, judged.text_score, judged.damaged, judged.asset_sha256 AS judged_sha256,
        (
            SELECT count(*)
            FROM verdicts AS v
            WHERE
                v.job_id = a.job_id AND v.replay_id = a.replay_id AND v.attempt = a.attempt
                AND v.record = 'ReviewRequested' AND v.at_ms >= %(from_ms)s AND v.at_ms < %(to_ms)s
        ) AS reviews
    FROM attempts AS a
    LEFT JOIN LATERAL (
        SELECT
            v.record, v.asset_sha256, (v.scores ->> 'text')::double precision AS text_score,
            EXISTS (SELECT FROM defects AS d WHERE d.event_id = v.event_id AND d.certain) AS damaged
        FROM verdicts AS v
        WHERE v.job_id = a.job_id AND v.replay_id = a.replay_id AND v.attempt = a.attempt
        ORDER BY v.at_ms DESC, v.record
        LIMIT 1
    ) AS judged ON true
    WHERE a.requested_at_ms >= %(from_ms)s AND a.requested_at_ms < %(to_ms)s AND NOT a.shadow
)
SELECT
    place.kind, place.name,
    count(*) AS attempts,
    count(*) FILTER (WHERE s.outcome = 'rendered') AS rendered,
    count(*) FILTER (WHERE s.outcome = 'failed') AS failed,
    count(*) FILTER (WHERE s.outcome = 'rendered' AND s.damaged) AS damaged,
    count(*) FILTER (WHERE s.record = 'AssetApproved') AS accepted,
    avg(s.text_score) FILTER (WHERE s.record = 'AssetApproved' AND s.wants_text) AS text_score,
    COALESCE(sum(s.engine_ms), 0) AS engine_ms,
    COALESCE(sum(s.engine_ms) FILTER (WHERE s.device LIKE 'cuda%%'), 0) AS gpu_ms,
    count(*) FILTER (WHERE s.outcome = 'rendered' AND s.device LIKE 'cuda%%') AS gpu_images,
    COALESCE(sum(s.cost_usd), 0) AS cost_usd,
    COALESCE(sum(hands.minutes) FILTER (WHERE s.record = 'AssetApproved'), 0) AS touch_minutes,
    sum(s.reviews)::bigint AS reviews
FROM seen AS s
LEFT JOIN LATERAL (
    SELECT sum(t.minutes) AS minutes
    FROM touch_ups AS t
    WHERE
        t.job_id = s.job_id AND t.asset_sha256 = s.judged_sha256
        AND t.at_ms >= %(from_ms)s AND t.at_ms < %(to_ms)s
) AS hands ON true
CROSS JOIN LATERAL (
    VALUES ('all', ''), ('engine', s.engine), ('ruleset', s.ruleset_id), ('lane', s.lane)
    UNION ALL
    SELECT 'tag', tag FROM jsonb_array_elements_text(s.tags) AS tag
) AS place (kind, name)
GROUP BY place.kind, place.name
ORDER BY place.kind, count(*) DESC, place.name
LIMIT 1000
