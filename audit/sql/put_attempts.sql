INSERT INTO attempts AS old (
    job_id, replay_id, attempt, rung, rule, engine, lane, risk, ruleset_id, scheduler, steps, guidance, seed,
    wants_text, tags, shadow, rollout_id, arm, requested_at_ms, outcome, backend, model_digest, device, failure_kind, failure_message,
    asset_sha256, media_type, size_bytes, manifest_sha256, engine_ms, batch_size, cost_usd, generated_at_ms,
    inspect_ms, inspected_at_ms
)
SELECT
    new.job_id, new.replay_id, new.attempt, new.rung, new.rule, new.engine, new.lane, new.risk, new.ruleset_id,
    new.scheduler, new.steps, new.guidance, new.seed, new.wants_text, new.tags, new.shadow, new.rollout_id, new.arm,
    new.requested_at_ms, new.outcome,
    new.backend, new.model_digest, new.device, new.failure_kind, new.failure_message, new.asset_sha256,
    new.media_type, new.size_bytes, new.manifest_sha256, new.engine_ms, new.batch_size, new.cost_usd,
    new.generated_at_ms, new.inspect_ms, new.inspected_at_ms
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    job_id uuid, replay_id text, attempt integer, rung text, rule text, engine text, lane text, risk text,
    ruleset_id text, scheduler text, steps integer, guidance double precision, seed bigint, wants_text boolean,
    tags jsonb, shadow boolean, rollout_id text, arm text, requested_at_ms bigint, outcome text, backend text, model_digest text, device text, failure_kind text,
    failure_message text, asset_sha256 text, media_type text, size_bytes bigint, manifest_sha256 text,
    engine_ms double precision, batch_size integer, cost_usd double precision, generated_at_ms bigint,
    inspect_ms double precision, inspected_at_ms bigint
)
ON CONFLICT (job_id, replay_id, attempt) DO UPDATE SET
    requested_at_ms = COALESCE(old.requested_at_ms, EXCLUDED.requested_at_ms),
    outcome = COALESCE(old.outcome, EXCLUDED.outcome),
    backend = COALESCE(old.backend, EXCLUDED.backend),
    model_digest = COALESCE(old.model_digest, EXCLUDED.model_digest),
    device = COALESCE(old.device, EXCLUDED.device),
    failure_kind = COALESCE(old.failure_kind, EXCLUDED.failure_kind),
    failure_message = COALESCE(old.failure_message, EXCLUDED.failure_message),
    asset_sha256 = COALESCE(old.asset_sha256, EXCLUDED.asset_sha256),
    media_type = COALESCE(old.media_type, EXCLUDED.media_type),
    size_bytes = COALESCE(old.size_bytes, EXCLUDED.size_bytes),
    manifest_sha256 = COALESCE(old.manifest_sha256, EXCLUDED.manifest_sha256),
    engine_ms = COALESCE(old.engine_ms, EXCLUDED.engine_ms),
    batch_size = COALESCE(old.batch_size, EXCLUDED.batch_size),
    cost_usd = COALESCE(old.cost_usd, EXCLUDED.cost_usd),
    generated_at_ms = COALESCE(old.generated_at_ms, EXCLUDED.generated_at_ms),
    inspect_ms = COALESCE(old.inspect_ms, EXCLUDED.inspect_ms),
    inspected_at_ms = COALESCE(old.inspected_at_ms, EXCLUDED.inspected_at_ms)
