SELECT topic, partition, generation, "offset", position, timestamp_ms, key, value, headers, record,
       job_id::text AS job_id, previous_hash, hash
FROM ledger
WHERE topic = %(topic)s AND partition = %(partition)s AND generation = %(generation)s AND "offset" >= %(from_offset)s
ORDER BY "offset"
