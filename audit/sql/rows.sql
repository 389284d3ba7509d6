SELECT topic, partition, generation, "offset", position, timestamp_ms, key, value, headers, record,
       job_id::text AS job_id, previous_hash, hash
FROM ledger
WHERE %(topic)s::text IS NULL OR topic = %(topic)s
ORDER BY topic, partition, generation, "offset"
