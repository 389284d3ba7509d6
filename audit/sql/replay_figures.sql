-- One replay, its runs and attempts: or, where no replay is named, the own runs of the jobs that a replay repeats.
WITH mine AS (
    SELECT job_id, %(replay_id)s::text AS replay_id
    FROM runs
    WHERE replay_id = %(replay_id)s AND NOT %(originals)s
    UNION ALL
    SELECT job_id, '' FROM runs WHERE replay_id = %(replay_id)s AND %(originals)s
),
judged AS (
    SELECT DISTINCT ON (v.job_id, v.attempt) v.event_id, v.job_id, v.attempt, v.verdict, v.scores
    FROM mine AS m
    JOIN verdicts AS v ON v.job_id = m.job_id AND v.replay_id = m.replay_id
    ORDER BY v.job_id, v.attempt, v.at_ms DESC, v.event_id
),
attempted AS (
    SELECT
        count(*) AS attempts,
        count(*) FILTER (WHERE a.outcome = 'rendered') AS rendered,
        count(*) FILTER (WHERE a.outcome = 'failed') AS failed,
        count(*) FILTER (
            WHERE a.outcome = 'rendered'
            AND EXISTS (SELECT FROM defects AS d WHERE d.event_id = j.event_id AND d.certain)
        ) AS damaged,
        COALESCE(sum(a.cost_usd), 0) AS cost_usd,
        avg((j.scores ->> 'text')::double precision) FILTER (WHERE j.verdict = 'accept' AND a.wants_text) AS text_score
    FROM mine AS m
    JOIN attempts AS a ON a.job_id = m.job_id AND a.replay_id = m.replay_id
    LEFT JOIN judged AS j ON j.job_id = a.job_id AND j.attempt = a.attempt
),
ran AS (
    SELECT
        count(*) AS runs,
        count(*) FILTER (
            WHERE r.state IN ('approved', 'review', 'held', 'refused', 'recalled') OR g.job_id IS NOT NULL
        ) AS ended,
        count(g.job_id) AS given_up,
        count(*) FILTER (WHERE r.state IN ('approved', 'held')) AS accepted,
        count(*) FILTER (WHERE r.state = 'review') AS reviews
    FROM mine AS m
    JOIN runs AS r ON r.job_id = m.job_id AND r.replay_id = m.replay_id
    LEFT JOIN given_up AS g ON g.job_id = m.job_id AND g.replay_id = m.replay_id
)
SELECT * FROM ran CROSS JOIN attempted
