-- What people say of assets, and which assets a hash chose for them to look at.

ALTER TABLE verdicts ADD COLUMN audit boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN verdicts.audit IS 'A hash chose the asset for a person to label, whatever the verdict. No verdict from before this column was.';

CREATE INDEX verdicts_audit ON verdicts (at_ms, event_id) WHERE audit;
CREATE INDEX verdicts_asset ON verdicts (asset_sha256 text_pattern_ops, job_id);

CREATE TABLE labels (
    event_id     uuid   PRIMARY KEY,
    job_id       uuid   NOT NULL,
    asset_sha256 text   NOT NULL,
    source       text   NOT NULL CHECK (source IN ('reviewer', 'audit')),
    defects      jsonb  NOT NULL CHECK (jsonb_typeof(defects) = 'array'),
    who          text   NOT NULL,
    why          text   NOT NULL,
    at_ms        bigint NOT NULL
);

CREATE INDEX labels_asset ON labels (job_id, asset_sha256);

COMMENT ON COLUMN labels.defects IS 'Failure modes that the person sees; empty for a sound asset.';

-- What people said who looked at an asset: labels, and approvals in review. What ops let go from a hold nobody looked
-- at, and validation is no person.
CREATE VIEW words AS
SELECT job_id, asset_sha256, who, defects, at_ms, event_id FROM labels
UNION ALL
SELECT job_id, asset_sha256, decided_by, '[]'::jsonb, at_ms, event_id
FROM verdicts
WHERE
    record = 'AssetApproved' AND asset_sha256 IS NOT NULL
    AND decided_by <> 'validation' AND decided_by NOT LIKE 'release by %';

-- What is known of an asset: the newest word of each person, joined, and every hand work on it. A person who looked
-- also says which defects are not there; a touch-up says no more than what was mended.
CREATE VIEW truths AS
WITH newest AS (
    SELECT DISTINCT ON (job_id, asset_sha256, who) job_id, asset_sha256, defects
    FROM words
    ORDER BY job_id, asset_sha256, who, at_ms DESC, event_id
),
said AS (
    SELECT n.job_id, n.asset_sha256, true AS looked, d.mode
    FROM newest AS n
    LEFT JOIN LATERAL jsonb_array_elements_text(n.defects) AS d (mode) ON true
    UNION ALL
    SELECT job_id, asset_sha256, false, defect FROM touch_ups
)
SELECT
    job_id, asset_sha256, bool_or(looked) AS looked,
    COALESCE(jsonb_agg(DISTINCT mode) FILTER (WHERE mode IS NOT NULL), '[]'::jsonb) AS defects
FROM said
GROUP BY job_id, asset_sha256;
