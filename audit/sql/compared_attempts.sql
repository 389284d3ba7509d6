-- Every attempt of the own runs and replays of some jobs, with what validation said of it: a person's word afterwards
-- is not compared. Replays of a job by age; attempt is null where a run has none yet, or its prompt was refused.
SELECT
    j.job_id::text AS job_id, left(j.prompt, 2000) AS prompt, r.replay_id, r.state,
    COALESCE(r.started_at_ms, min(a.requested_at_ms) OVER (PARTITION BY r.job_id, r.replay_id)) AS started_at_ms,
    r.ended_at_ms,
    COALESCE(r.reasons, '[]'::jsonb) AS refusals, a.attempt, COALESCE(a.engine, r.engine) AS engine, a.backend,
    COALESCE(a.ruleset_id, r.ruleset_id) AS ruleset_id, a.asset_sha256, a.failure_kind,
    a.engine_ms, a.cost_usd, judged.verdict, COALESCE(a.shadow, false) AS shadow, judged.at_ms AS judged_at_ms,
    CASE WHEN a.wants_text THEN (judged.scores ->> 'text')::double precision END AS text_score,
    COALESCE(judged.reasons, '[]'::jsonb) AS reasons, COALESCE(found.modes, '[]'::jsonb) AS defects,
    colours.value AS delta_e00
FROM jobs AS j
JOIN runs AS r ON r.job_id = j.job_id
LEFT JOIN attempts AS a ON a.job_id = r.job_id AND a.replay_id = r.replay_id
LEFT JOIN LATERAL (
    SELECT v.event_id, v.verdict, v.at_ms, v.scores, v.reasons
    FROM verdicts AS v
    WHERE v.job_id = a.job_id AND v.replay_id = a.replay_id AND v.attempt = a.attempt
    ORDER BY v.decided_by <> 'validation', v.at_ms, v.record
    LIMIT 1
) AS judged ON true
LEFT JOIN LATERAL (
    SELECT jsonb_agg(DISTINCT d.mode) AS modes FROM defects AS d WHERE d.event_id = judged.event_id
) AS found ON true
LEFT JOIN LATERAL (
    SELECT m.value
    FROM measurements AS m
    WHERE
        m.job_id = a.job_id AND m.replay_id = a.replay_id AND m.attempt = a.attempt
        AND m."check" = 'palette' AND m.name = 'delta_e00_mean'
    LIMIT 1
) AS colours ON true
WHERE
    j.job_id = ANY (%(job_ids)s::uuid[])
    AND (r.replay_id = '' OR %(replay_ids)s::text[] IS NULL OR r.replay_id = ANY (%(replay_ids)s::text[]))
ORDER BY j.job_id, r.replay_id <> '', r.started_at_ms, r.replay_id, a.attempt
