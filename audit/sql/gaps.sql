SELECT topic, partition, generation, from_offset, to_offset, reason, noticed_at_ms
FROM ledger_gaps
WHERE %(topic)s::text IS NULL OR topic = %(topic)s
ORDER BY noticed_at_ms, topic, partition
LIMIT 1000
