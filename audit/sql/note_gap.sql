INSERT INTO ledger_gaps (topic, partition, generation, from_offset, to_offset, reason, noticed_at_ms)
VALUES (
    %(topic)s, %(partition)s, %(generation)s, %(from_offset)s, %(to_offset)s, %(reason)s, %(noticed_at_ms)s
)
ON CONFLICT DO NOTHING
