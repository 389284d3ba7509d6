-- Moves a head on only from where this sink left it: no row is touched where another sink was faster.
INSERT INTO ledger_heads AS head (topic, partition, generation, rows, last_offset, next_offset, hash)
VALUES (
    %(topic)s, %(partition)s, %(generation)s, %(rows)s, %(last_offset)s, %(next_offset)s, %(hash)s
)
ON CONFLICT (topic, partition) DO UPDATE SET
    generation = EXCLUDED.generation,
    rows = EXCLUDED.rows,
    last_offset = EXCLUDED.last_offset,
    next_offset = EXCLUDED.next_offset,
    hash = EXCLUDED.hash
WHERE head.generation = %(was_generation)s AND head.next_offset = %(was_next_offset)s AND head.hash = %(was_hash)s
