SELECT topic, partition, generation, "offset", position, timestamp_ms, key, value, headers, record,
       job_id::text AS job_id, previous_hash, hash
FROM ledger
WHERE job_id = %(job_id)s
ORDER BY timestamp_ms, topic, partition, generation, "offset"
LIMIT %(limit)s
