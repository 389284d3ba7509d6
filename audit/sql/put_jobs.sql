INSERT INTO jobs (
    job_id, idempotency_key, prompt, campaign, brand, lane, required_text, submitted_at_ms
)
SELECT
    new.job_id, new.idempotency_key, new.prompt, new.campaign, new.brand, new.lane, new.required_text,
    new.submitted_at_ms
FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
    job_id uuid, idempotency_key text, prompt text, campaign text, brand text, lane text, required_text jsonb,
    submitted_at_ms bigint
)
ON CONFLICT (job_id) DO NOTHING
