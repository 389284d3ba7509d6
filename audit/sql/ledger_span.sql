-- Where a part of a partition begins and ends in the ledger, and how many records it holds.
SELECT min("offset") AS start, max("offset") + 1 AS "end", count(*) AS records
FROM ledger
WHERE
    topic = %(topic)s AND partition = %(partition)s AND generation = %(generation)s
    AND (%(from_offset)s::bigint IS NULL OR "offset" >= %(from_offset)s)
    AND (%(to_offset)s::bigint IS NULL OR "offset" < %(to_offset)s)
    AND (%(from_ms)s::bigint IS NULL OR timestamp_ms >= %(from_ms)s)
    AND (%(to_ms)s::bigint IS NULL OR timestamp_ms < %(to_ms)s)
