SELECT "offset", timestamp_ms, value
FROM ledger
WHERE
    topic = %(topic)s AND partition = %(partition)s AND generation = %(generation)s
    AND "offset" >= %(from_offset)s AND "offset" < %(to_offset)s
ORDER BY "offset"
LIMIT %(limit)s
