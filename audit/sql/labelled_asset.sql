-- The assets behind an address, the beginning of one, or a job: newest first. Two answers tell that it names several.
SELECT job_id::text AS job_id, asset_sha256, bool_or(audit) AS audit, max(at_ms) AS at_ms
FROM verdicts
WHERE
    asset_sha256 IS NOT NULL
    AND (%(job_id)s::uuid IS NULL OR job_id = %(job_id)s::uuid)
    AND (%(asset)s::text IS NULL OR asset_sha256 LIKE %(asset)s)
GROUP BY job_id, asset_sha256
ORDER BY max(at_ms) DESC, job_id, asset_sha256
LIMIT 2
