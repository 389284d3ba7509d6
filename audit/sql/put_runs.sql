INSERT INTO runs AS old (
    job_id, replay_id, state, attempt, rank, at_ms, engine, reasons, ruleset_id, started_at_ms, ended_at_ms
)
SELECT
    new.job_id, new.replay_id, new.state, new.attempt, new.rank, new.at_ms, new.engine, new.reasons,
    new.ruleset_id, new.started_at_ms, new.ended_at_ms
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    job_id uuid, replay_id text, state text, attempt integer, rank smallint, at_ms bigint, engine text,
    reasons jsonb, ruleset_id text, started_at_ms bigint, ended_at_ms bigint
)
ON CONFLICT (job_id, replay_id) DO UPDATE SET
    (state, attempt, rank, at_ms) = (
        SELECT latest.state, latest.attempt, latest.rank, latest.at_ms
        FROM (VALUES
            (old.state, old.attempt, old.rank, old.at_ms),
            (EXCLUDED.state, EXCLUDED.attempt, EXCLUDED.rank, EXCLUDED.at_ms)
        ) AS latest (state, attempt, rank, at_ms)
        ORDER BY latest.attempt DESC, latest.rank DESC, latest.at_ms DESC
        LIMIT 1
    ),
    engine = CASE
        WHEN (EXCLUDED.attempt, EXCLUDED.rank, EXCLUDED.at_ms) >= (old.attempt, old.rank, old.at_ms)
            THEN COALESCE(EXCLUDED.engine, old.engine)
        ELSE COALESCE(old.engine, EXCLUDED.engine)
    END,
    reasons = CASE
        WHEN (EXCLUDED.attempt, EXCLUDED.rank, EXCLUDED.at_ms) >= (old.attempt, old.rank, old.at_ms)
            THEN COALESCE(EXCLUDED.reasons, old.reasons)
        ELSE COALESCE(old.reasons, EXCLUDED.reasons)
    END,
    ruleset_id = CASE
        WHEN (EXCLUDED.attempt, EXCLUDED.rank, EXCLUDED.at_ms) >= (old.attempt, old.rank, old.at_ms)
            THEN COALESCE(EXCLUDED.ruleset_id, old.ruleset_id)
        ELSE COALESCE(old.ruleset_id, EXCLUDED.ruleset_id)
    END,
    started_at_ms = LEAST(old.started_at_ms, EXCLUDED.started_at_ms),
    ended_at_ms = LEAST(old.ended_at_ms, EXCLUDED.ended_at_ms)
