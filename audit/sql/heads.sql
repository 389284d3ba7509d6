SELECT topic, partition, generation, rows, last_offset, next_offset, hash
FROM ledger_heads
ORDER BY topic, partition
