-- Jobs to compare: of those named, of those that a named replay ran, or both; by id, a page after one.
SELECT DISTINCT r.job_id::text AS job_id
FROM runs AS r
WHERE
    (cardinality(%(job_ids)s::uuid[]) = 0 OR r.job_id = ANY (%(job_ids)s::uuid[]))
    AND (
        cardinality(%(replay_ids)s::text[]) = 0
        OR (r.replay_id <> '' AND r.replay_id = ANY (%(replay_ids)s::text[]))
    )
    AND (%(after)s::uuid IS NULL OR r.job_id > %(after)s::uuid)
ORDER BY job_id
LIMIT %(limit)s
